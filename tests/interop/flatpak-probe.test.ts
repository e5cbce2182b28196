// SPDX-License-Identifier: Apache-2.0
// The same app with the same rights under Flatpak and under Dowel: whatever Flatpak refuses, Dowel must refuse.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { makeLayout, type Outcome, ordinaryUser, Sandpit } from "../e2e/support.ts";

const id = "org.example.Probe";

type Fields = Record<string, unknown>;

/** Both programs with one home and one session folder. */
class Peers implements Disposable {
  readonly pit: Sandpit;
  readonly uid: number;
  /** Where homes are, since `host` shows nothing of /tmp. */
  readonly home = mkdtempSync("/home/dowel-test-");

  constructor(uid: number) {
    this.uid = uid;
    this.pit = new Sandpit(uid);
  }

  dowel(...words: readonly string[]): string {
    return this.pit.succeed(words, { environment: { HOME: this.home } });
  }

  flatpak(...words: readonly string[]): Outcome {
    const environment = {
      ...this.pit.environment,
      HOME: this.home,
      FLATPAK_USER_DIR: join(this.home, ".local/share/flatpak"),
      FLATPAK_SYSTEM_DIR: this.pit.path("flatpak-system"),
    };
    // Installing, which comes first, asks the system bus about parental controls, but not for root.
    const isRoot = this.uid === 0 || !existsSync(join(this.home, ".local/share/dowel"));
    const who = isRoot ? {} : { uid: this.uid, gid: this.uid };
    const { status, stdout, stderr } = spawnSync("flatpak", words, {
      env: environment,
      cwd: this.pit.path("work"),
      encoding: "utf8",
      maxBuffer: 1 << 28,
      ...who,
    });
    return { status, stdout, stderr };
  }

  must(...words: readonly string[]): void {
    const { status, stdout, stderr } = this.flatpak(...words);
    if (status !== 0) throw new Error(`flatpak ${words.join(" ")} ended with ${status}\n${stdout}\n${stderr}`);
  }

  /** Builds the same trees as an OSTree repository and as an OCI layout, and installs both. */
  install(): void {
    const { pit } = this;
    const layout = makeLayout(pit.path("images"));
    mkdirSync(pit.path("images/tree-runtime/files"));
    mkdirSync(pit.path("flatpak-system"));
    mkdirSync(join(this.home, "docs"));
    writeFileSync(join(this.home, "docs/letter"), "letter");
    writeFileSync(join(this.home, "secret"), "secret");
    writeFileSync(
      pit.path("images/tree-runtime/metadata"),
      "[Runtime]\nname=org.example.Platform\nruntime=org.example.Platform/x86_64/1\n",
    );
    const repo = pit.path("work/repo");
    this.must("build-export", "--disable-sandbox", "--runtime", repo, pit.path("images/tree-runtime"), "1");
    this.must("build-export", "--disable-sandbox", repo, pit.path("images/tree-app"), "stable");
    this.must("--user", "remote-add", "--no-gpg-verify", "local", repo);
    this.must("--user", "install", "-y", "--noninteractive", "local", "org.example.Platform//1");
    this.must("--user", "install", "-y", "--noninteractive", "local", `${id}//stable`);
    for (const path of [pit.path("images"), this.home, pit.path("flatpak-system"), pit.path("run")]) pit.own(path);
    this.dowel("install", "--user", "-y", `oci:${layout}`, id);
  }

  /** What the probe says in each of the two sandboxes. */
  ask(options: readonly string[], ...words: readonly string[]): { mine: Fields[]; theirs: Fields[] } {
    const read = (text: string) =>
      text
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line): Fields => JSON.parse(line));
    const theirs = this.flatpak("--user", "run", ...options, id, ...words);
    if (theirs.status !== 0) throw new Error(`flatpak run ended with ${theirs.status}\n${theirs.stderr}`);
    return { mine: read(this.dowel("run", ...options, id, ...words)), theirs: read(theirs.stdout) };
  }

  [Symbol.dispose](): void {
    this.pit[Symbol.dispose]();
    rmSync(this.home, { recursive: true, force: true });
  }
}

const optionSets: readonly (readonly string[])[] = [
  [],
  ["--share=network", "--share=ipc"],
  ["--filesystem=host:ro"],
  ["--filesystem=home", "--nofilesystem=~/docs"],
  ["--filesystem=host", "--nofilesystem=home"],
  ["--device=all", "--share=network"],
  ["--allow=multiarch", "--allow=bluetooth", "--allow=canbus"],
  ["--socket=x11", "--socket=wayland", "--socket=pulseaudio", "--device=dri", "--allow=devel"],
  ["--filesystem=host-os", "--filesystem=host-etc:ro", "--filesystem=/srv", "--nofilesystem=/srv/private"],
  ["--filesystem=xdg-config/tool:create", "--filesystem=xdg-run/dowel-test", "--persist=.kept"],
  ["--sandbox"],
];

const refused = new Set(["EPERM", "ENOSYS", "EAFNOSUPPORT", "KILLED"]);

/** Paths at which Dowel gives what Flatpak 1.14 does not, and means it: with --sandbox, an empty folder of its own. */
const meant: readonly string[] = ["/var/cache write ENOENT undefined"];

function numbers(records: readonly Fields[]): readonly number[] {
  return (records[0]?.["numbers"] ?? []) as number[];
}

function paths(records: readonly Fields[]): string[] {
  return records.flatMap((record) => {
    const path = String(record["path"]);
    const names = (record["entries"] ?? []) as string[];
    return names.map((name) => (path === "/" ? `/${name}` : `${path}/${name}`));
  });
}

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`Dowel beside Flatpak, started by ${who}`, () => {
    const peers = new Peers(uid);
    const servers: Server[] = [];
    let port = 0;
    const abstractName = `dowel-test-${process.pid}-${uid}`;

    beforeAll(async () => {
      peers.install();
      for (const address of [{ port: 0, host: "127.0.0.1" }, { path: `\0${abstractName}` }]) {
        const server = createServer((socket) => socket.end());
        await new Promise<void>((done) => server.listen(address, done));
        servers.push(server);
      }
      const address = servers[0]?.address();
      port = typeof address === "object" && address !== null ? address.port : 0;
    });
    afterAll(() => {
      for (const server of servers) server.close();
      peers[Symbol.dispose]();
    });

    test.each(optionSets.map((set) => [set.join(" "), set] as const))(
      "no system call more with %j",
      (_name, options) => {
        const { mine, theirs } = peers.ask(options, "syscalls");
        const [my, their] = [mine[0]?.["results"], theirs[0]?.["results"]] as [Fields, Fields];
        expect(Object.keys(my).length).toBeGreaterThan(40);
        // Multiarch is there for Wine, which needs it; the Flatpak of Debian 12 refuses it all the same.
        if (options.includes("--allow=multiarch")) delete my["modify_ldt"];
        const more = Object.keys(my).filter(
          (name) => refused.has(String(their[name])) && !refused.has(String(my[name])),
        );
        expect(more).toEqual([]);
      },
    );

    test.each(optionSets.map((set) => [set.join(" "), set] as const))(
      "nothing to read or write more with %j",
      (_name, options) => {
        const home = peers.home;
        let found = [
          "/",
          home,
          `${home}/docs`,
          `${home}/secret`,
          `${home}/docs/letter`,
          "/etc/shadow",
          "/root",
          "/var/log",
        ];
        const more: string[] = [];
        const seen = new Set<string>();
        for (let depth = 0; depth < 3; depth += 1) {
          const asked = found
            .filter((path) => !seen.has(path) && !/^\/(proc\/[0-9]|app|usr\/(?!etc))/.test(path))
            .slice(0, 3000);
          for (const path of asked) seen.add(path);
          if (asked.length === 0) break;
          const { mine, theirs } = peers.ask(options, "files", ...asked);
          for (const [index, my] of mine.entries()) {
            const their = theirs[index] ?? {};
            const path = String(my["path"]);
            for (const what of ["read", "write"]) {
              if (my[what] === "OK" && their[what] !== "OK")
                more.push(`${path} ${what} ${String(their["stat"])} ${String(their[what])}`);
            }
          }
          found = paths(mine);
        }
        expect(seen.size).toBeGreaterThan(50);
        expect(more.filter((line) => !meant.includes(line))).toEqual([]);
      },
    );

    test.each(optionSets.map((set) => [set.join(" "), set] as const))(
      "no more rights, processes, sockets and descriptors with %j",
      (_name, options) => {
        const rights = peers.ask(options, "id");
        const [mine, theirs] = [rights.mine[0] ?? {}, rights.theirs[0] ?? {}];
        for (const name of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
          const [my, their] = [mine, theirs].map((fields) => BigInt(`0x${String(fields[name])}`));
          expect([name, (my ?? 0n) & ~(their ?? 0n)]).toEqual([name, 0n]);
        }
        expect(mine).toMatchObject({ NoNewPrivs: "1", Seccomp: "2" });
        const processes = peers.ask(options, "processes");
        expect(numbers(processes.mine).length).toBeLessThanOrEqual(numbers(processes.theirs).length);
        const network = peers.ask(options, "network", String(port), abstractName);
        for (const what of ["connect", "abstract"]) {
          const [my, their] = [network.mine[0]?.[what], network.theirs[0]?.[what]];
          if (their !== "OK") expect([what, my]).not.toEqual([what, "OK"]);
        }
        expect(numbers(peers.ask(options, "fds").mine).filter((fd) => fd > 2)).toEqual([]);
      },
    );

    test("no variable more, and the same folders and ids in those that say them", () => {
      const { mine, theirs } = peers.ask([], "env");
      const [my, their] = [mine[0]?.["variables"], theirs[0]?.["variables"]] as [Fields, Fields];
      // What newer versions than this machine's set for every app.
      const newer = ["XDG_STATE_HOME", "HOST_XDG_STATE_HOME"];
      expect(Object.keys(my).filter((name) => !(name in their) && !newer.includes(name))).toEqual([]);
      for (const name of [
        "HOME",
        "PATH",
        "XDG_RUNTIME_DIR",
        "XDG_DATA_HOME",
        "XDG_DATA_DIRS",
        "FLATPAK_ID",
        "container",
      ]) {
        expect([name, my[name]]).toEqual([name, their[name]]);
      }
    });

    test("what a plain app is refused, it is refused", () => {
      const { mine } = peers.ask([], "network", String(port), abstractName);
      expect(mine[0]).toMatchObject({ interfaces: ["lo"], connect: "ECONNREFUSED", abstract: "ECONNREFUSED" });
      const shared = peers.ask(["--share=network"], "network", String(port), abstractName);
      // Sockets without a file take a permission of their own here, where the kernel can tell.
      expect(shared.mine[0]).toMatchObject({ connect: "OK", abstract: expect.stringMatching(/^(OK|EPERM)$/) });
      const display = peers.ask(["--share=network", "--socket=x11"], "network", String(port), abstractName);
      expect(display.mine[0]).toMatchObject({ connect: "OK", abstract: "OK" });
    });

    test("info --show-permissions and --file-access say what Flatpak's say", () => {
      const options = [
        "--share=network",
        "--filesystem=~/docs:ro",
        "--filesystem=xdg-config/x:create",
        "--nosocket=x11",
        "--talk-name=org.a.B",
      ];
      peers.must("--user", "override", ...options, "--env=A=1", id);
      peers.dowel("override", "--user", ...options, "--env=A=1", id);
      // Both sort lists, each in its own way.
      const lines = (text: string) => text.split("\n").map((line) => line.split(/[=;]/).sort().join(" "));
      const theirs = peers.flatpak("--user", "info", "--show-permissions", id).stdout;
      expect(lines(peers.dowel("info", "--show-permissions", id)).sort()).toEqual(lines(theirs).sort());
      for (const path of ["docs/letter", "secret", ".var/app/org.example.Probe"]) {
        const words = ["info", `--file-access=${join(peers.home, path)}`, id];
        expect([path, peers.dowel(...words)]).toEqual([path, peers.flatpak("--user", ...words).stdout]);
      }
      peers.must("--user", "override", "--reset", id);
      peers.dowel("override", "--user", "--reset", id);
    });
  });
}
