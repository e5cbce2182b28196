// SPDX-License-Identifier: Apache-2.0
// An app that wants more of its library than its user gave: other places, writing, or to keep what was taken away.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { on } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { Desktop } from "../interop/desktop.ts";
import { instancesIn } from "../support/appclient.ts";

const plain = "org.example.Plain";
/** One that may make namespaces, in which it has all rights. */
const nested = "org.example.Nested";
const shelf = "/run/flatpak/library";
let desktop: Desktop;
let pictures: string;

beforeAll(async () => {
  desktop = await Desktop.start([
    "sh",
    "cat",
    "ls",
    "ln",
    "mkdir",
    "mount",
    "mv",
    "rmdir",
    "touch",
    "umount",
    "unshare",
  ]);
  desktop.install(plain);
  desktop.install(nested, "[Context]\nfeatures=userns;\n");
  pictures = desktop.pit.path("work/Pictures");
  mkdirSync(pictures);
  writeFileSync(`${pictures}/one`, "picture");
  desktop.pit.own(pictures);
});
afterAll(async () => {
  await desktop[Symbol.asyncDispose]();
});

interface Change {
  readonly instances: readonly string[];
  readonly failed: readonly { readonly instance: string; readonly reason: string }[];
}

function library(...words: readonly string[]): Change {
  const [verb = "", ...rest] = words;
  return JSON.parse(desktop.pit.succeed(["library", verb, "--json", ...rest]));
}

/** An app that runs a script up to a gate, and the rest when the gate is opened. */
class Runner implements AsyncDisposable {
  readonly number: string;
  readonly #gate: string;
  readonly #running: ReturnType<Desktop["run"]>;
  #isOpen = false;

  private constructor(gate: string, running: ReturnType<Desktop["run"]>, number: string) {
    this.#gate = gate;
    this.#running = running;
    this.number = number;
  }

  /** @param script has the word `gate` where it is to wait */
  static async start(app: string, script: string): Promise<Runner> {
    const folder = desktop.pit.path("home/.var/app", app, "data");
    execFileSync("mkdir", ["-p", folder]);
    const gate = `${folder}/gate`;
    execFileSync("mkfifo", [gate]);
    desktop.pit.own(desktop.pit.path("home/.var"));
    const running = desktop.run(app, `gate() { echo ready; cat "$XDG_DATA_HOME/gate"; }; ${script}`);
    let said = "";
    for await (const [text] of on(running.child.stdout, "data")) {
      said += text;
      if (said.includes("ready")) break;
    }
    const [number = ""] = instancesIn(desktop.pit.path("run"));
    return new Runner(gate, running, number);
  }

  /** Opens the gate; what the script says behind it, without what it was ready with. */
  async rest(): Promise<string> {
    this.#isOpen = true;
    writeFileSync(this.#gate, "");
    const { stdout, stderr } = await this.#running.outcome;
    return `${stdout.replace("ready\n", "")}${stderr}`.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) this.#running.child.kill("SIGTERM");
    await this.#running.outcome;
    rmSync(this.#gate);
  }
}

/** What a script prints in the sandbox of an instance. */
function within(number: string, script: string): string {
  const { stdout, stderr } = desktop.pit.dowel(["enter", number, "sh", "-c", script], {
    environment: { DOWEL_REQUIRE_CGROUP: "no" },
  });
  return `${stdout}${stderr}`.trim();
}

/** Into namespaces of its own, over which it has all rights. */
const away = "unshare --user --map-current-user --keep-caps --mount";

test("nobody in a sandbox puts anything where folders appear, so they appear where they should", async () => {
  await using app = await Runner.start(plain, "gate");
  const tries = ["mkdir x", "touch x", "ln -s /etc Pictures", "mkdir Pictures", "mount -o remount,rw ."];
  for (const one of tries) {
    expect(within(app.number, `cd ${shelf} && ${one} && echo done`)).not.toContain("done");
  }
  expect(library("add", plain, pictures)).toMatchObject({ instances: [app.number], failed: [] });
  expect(within(app.number, `cat ${shelf}/Pictures/one; ls ${shelf}`)).toBe("picturePictures");
  for (const one of ["rmdir Pictures", "mv Pictures Other", "umount Pictures", "mount --bind /tmp Pictures"]) {
    expect(within(app.number, `cd ${shelf} && ${one} && echo done`)).not.toContain("done");
  }
  expect(library("remove", plain, "Pictures")).toMatchObject({ instances: [app.number], failed: [] });
  expect(within(app.number, `ls ${shelf}`)).toBe("");
});

test("what an app holds open of a folder stays open after it was taken away, and is for reading then", async () => {
  library("add", plain, pictures);
  const script = `cd ${shelf}/Pictures; exec 3<one; touch mine && echo wrote; gate; cat <&3; echo; cat one; echo; touch more && echo wrote`;
  await using app = await Runner.start(plain, script);
  library("remove", plain, "Pictures");
  expect(within(app.number, `cat ${shelf}/Pictures/one && echo done`)).not.toContain("done");
  expect(await app.rest()).toMatch(/^wrote\npicture\npicture\ntouch: .*Read-only file system$/s);
  expect(existsSync(`${pictures}/more`)).toBe(false);
});

test("an app that has left for namespaces of its own is not followed there", async () => {
  const attack = `mkdir /tmp/x && mount --bind /tmp/x ${shelf} && mkdir ${shelf}/Pictures`;
  const look = `cat ${shelf}/Pictures/one; touch ${shelf}/Pictures/evil`;
  await using app = await Runner.start(
    nested,
    `exec ${away} sh -c 'gate() { echo ready; cat "$XDG_DATA_HOME/gate"; }; ${attack}; gate; ${look}'`,
  );
  const { instances, failed } = library("add", "--read-only", nested, pictures);
  expect(instances).toEqual([]);
  expect(failed).toMatchObject([{ instance: app.number, reason: expect.stringContaining("none of its processes") }]);
  expect(await app.rest()).toContain("No such file");
  expect(readdirSync(pictures)).not.toContain("evil");
  library("remove", nested, "Pictures");
});

test("nor can one make writable, uncover or move what it is shown", async () => {
  library("add", "--read-only", nested, pictures);
  const before = `${away} sh -c 'mv ${shelf}/Pictures ${shelf}/Other && echo moved || echo refused; rmdir ${shelf}/Pictures && echo removed || echo refused'`;
  const tries = [
    `mount -o remount,bind,rw ${shelf}/Pictures`,
    `mount -o remount,bind,rw ${shelf}`,
    `umount ${shelf}/Pictures`,
    `umount ${shelf}`,
    `touch ${shelf}/Pictures/evil`,
    `mount --bind ${shelf}/Pictures /tmp && touch /tmp/evil`,
  ];
  const after = tries.map((one) => `${away} sh -c '${one} && echo done || echo refused'`).join("; ");
  await using app = await Runner.start(nested, `${after}; ${before}; gate`);
  expect(library("remove", nested, "Pictures")).toMatchObject({ instances: [app.number], failed: [] });
  expect(within(app.number, `ls ${shelf}`)).toBe("");
  const said = await app.rest();
  expect(said).not.toMatch(/^(done|moved|removed)$/m);
  expect(said.match(/^refused$/gm)).toHaveLength(tries.length + 2);
  expect(readdirSync(pictures)).not.toContain("evil");
});
