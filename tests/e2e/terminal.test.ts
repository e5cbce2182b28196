// SPDX-License-Identifier: Apache-2.0
// Apps under a shell with job control in a real terminal, and what is left when those who started them go.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { killIfThere } from "../support/kill.ts";
import { dowelPath, makeLayout, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";
const deadline = 60_000;

/** A shell in a terminal of its own. */
class Terminal implements AsyncDisposable {
  readonly #pit: Sandpit;
  readonly #socket: string;
  readonly #server: string;

  constructor(pit: Sandpit) {
    this.#pit = pit;
    this.#socket = pit.path("run/tmux");
    const shell = "bash --norc --noprofile -i";
    this.#tmux("-f", "/dev/null", "new-session", "-d", "-x", "180", "-y", "50", shell);
    this.#server = this.#tmux("display-message", "-p", "#{pid}").trim();
    this.type("PS1='> '; stty -echoctl", "Enter");
  }

  #tmux(...words: readonly string[]): string {
    const { uid } = this.#pit;
    return execFileSync("tmux", ["-S", this.#socket, ...words], {
      env: { ...this.#pit.environment, TERM: "xterm", SHELL: "/bin/sh" },
      cwd: this.#pit.path("work"),
      encoding: "utf8",
      ...(uid === 0 ? {} : { uid, gid: uid }),
    });
  }

  type(...keys: readonly string[]): void {
    this.#tmux("send-keys", ...keys);
  }

  /** Types a command and waits for what it or the shell prints. */
  async say(command: string, expected: RegExp): Promise<string> {
    this.type("-l", command);
    this.type("Enter");
    return this.sees(expected);
  }

  async sees(expected: RegExp): Promise<string> {
    const until = performance.now() + deadline;
    for (;;) {
      const text = this.#tmux("capture-pane", "-p", "-S", "-");
      if (expected.test(text)) return text;
      if (performance.now() > until) throw new Error(`The terminal never showed ${expected}:\n${text}`);
      await new Promise((later) => setTimeout(later, 50));
    }
  }

  close(): void {
    this.#tmux("kill-server");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    killIfThere(Number(this.#server), "SIGKILL");
    while (existsSync(`/proc/${this.#server}`)) await new Promise((later) => setTimeout(later, 20));
  }
}

/** Waits until nobody holds the lock on a file any more. */
async function untilReleased(path: string): Promise<number | null> {
  const child = spawn("flock", ["--wait", String(deadline / 1000), path, "true"], { stdio: "ignore" });
  return new Promise((done) => child.once("exit", (code) => done(code)));
}

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`an app started by ${who}`, () => {
    const pit = new Sandpit(uid);
    const lock = pit.path("home/.var/app", id, "data/lock");
    const hold = ["run", id, "hold", "/var/data/lock"];

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"));
      for (const name of ["images", "home"]) pit.own(pit.path(name));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
      pit.succeed(["run", id, "exit", "0"]);
    });
    afterAll(() => pit[Symbol.dispose]());

    async function started(words: readonly string[]) {
      const { child, outcome } = pit.start(words);
      await new Promise<void>((ready) => child.stdout.once("data", () => ready()));
      return { child, outcome };
    }

    test(
      "stops, goes on in the background and in front, and is interrupted, as the terminal says",
      async () => {
        await using terminal = new Terminal(pit);
        await terminal.say(`${dowelPath} ${hold.join(" ")}`, /"ready":true/);
        terminal.type("C-z");
        await terminal.sees(/\[1\]\+ +Stopped/);
        await terminal.say("bg; jobs", /\[1\]\+ +Running/);
        await terminal.say("fg && echo", /hold \/var\/data\/lock\n[^>]*$/);
        terminal.type("C-c");
        await terminal.say("echo code=$?", /code=130/);
        expect(await untilReleased(lock)).toBe(0);
      },
      2 * deadline,
    );

    test(
      "ends with its terminal, and so does what it left behind",
      async () => {
        await using terminal = new Terminal(pit);
        await terminal.say(`${dowelPath} ${hold.join(" ")}`, /"ready":true/);
        terminal.close();
        expect(await untilReleased(lock)).toBe(0);
      },
      2 * deadline,
    );

    test(
      "ends when its monitor is killed, and so does what it left behind",
      async () => {
        const { child, outcome } = await started(hold);
        child.kill("SIGKILL");
        expect(await untilReleased(lock)).toBe(0);
        expect((await outcome).status).toBeNull();
        expect(pit.dowel(["run", id, "exit", "6"]).status).toBe(6);
      },
      2 * deadline,
    );

    test(
      "ends with the one that started it where that is wanted, and outlives it otherwise",
      async () => {
        const script = `${dowelPath} run "$@" & echo $!; wait`;
        for (const [options, ends] of [
          [["-p"], true],
          [[], false],
        ] as const) {
          const words = [...options, ...hold.slice(1)];
          const shell = spawn("sh", ["-c", script, "sh", ...words], {
            env: pit.environment,
            cwd: pit.path("work"),
            stdio: ["ignore", "pipe", "inherit"],
            ...(uid === 0 ? {} : { uid, gid: uid }),
          });
          let said = "";
          await new Promise<void>((ready) =>
            shell.stdout.setEncoding("utf8").on("data", (text: string) => {
              said += text;
              if (said.includes('"ready":true')) ready();
            }),
          );
          const gone = new Promise((done) => shell.once("exit", done));
          shell.kill("SIGKILL");
          await gone;
          if (ends) expect(await untilReleased(lock)).toBe(0);
          else {
            const [running] = JSON.parse(pit.succeed(["profile", "list", "--json", id]));
            expect(running).toMatchObject({ running: true });
            process.kill(Number.parseInt(said, 10), "SIGKILL");
            expect(await untilReleased(lock)).toBe(0);
          }
        }
      },
      2 * deadline,
    );

    test("gives back the code of a command that a signal ended, and of one that could not be run", () => {
      expect(pit.dowel(["run", id, "signal", "9"]).status).toBe(137);
      expect(pit.dowel(["run", id, "signal", "15"]).status).toBe(143);
      expect(pit.dowel(["run", "--command=missing", id]).status).toBe(127);
      expect(pit.dowel(["run", "--command=/app/share/text", id]).status).toBe(126);
    });
  });
}
