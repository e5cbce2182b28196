// SPDX-License-Identifier: Apache-2.0
// Files that are handed to an app through the real document portal.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { O_PATH } from "../../src/sys/beneath.ts";
import { killIfThere } from "../support/kill.ts";
import { dowelPath, makeLayout, Sandpit } from "./support.ts";

const id = "org.example.Probe";

/** Processes whose environment has a runtime folder: the portal's, which the bus has started. */
function startedBelow(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`XDG_RUNTIME_DIR=${folder}\0`);
      } catch {
        return false;
      }
    })
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

describe("run --file-forwarding", () => {
  // Only root may use FUSE on every machine.
  const pit = new Sandpit();
  const letter = pit.path("home/a letter.txt");
  let bus: ChildProcess;

  beforeAll(async () => {
    const layout = makeLayout(pit.path("images"));
    pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
    writeFileSync(letter, "handed over");
    mkdirSync(pit.path("home/folder"));
    writeFileSync(pit.path("home/folder/inside"), "inside");
    bus = spawn("dbus-daemon", ["--session", "--nofork", `--address=unix:path=${pit.path("run/bus")}`], {
      env: { ...pit.environment },
      stdio: "ignore",
    });
    while (!existsSync(pit.path("run/bus"))) await new Promise((later) => setTimeout(later, 20));
  });
  afterAll(async () => {
    bus.kill("SIGKILL");
    for (let pids = startedBelow(pit.path("run")); pids.length > 0; pids = startedBelow(pit.path("run"))) {
      for (const pid of pids) killIfThere(pid, "SIGKILL");
      while (pids.some((pid) => existsSync(`/proc/${pid}`))) await new Promise((later) => setTimeout(later, 20));
    }
    try {
      execFileSync("umount", ["-l", pit.path("run/doc")], { stdio: "ignore" });
    } catch {
      // It was never mounted.
    }
    pit[Symbol.dispose]();
  });

  function words(options: readonly string[], ...args: readonly string[]): string[] {
    return JSON.parse(pit.succeed(["run", "--file-forwarding", ...options, id, "args", ...args])).words;
  }

  test("names what the app cannot see as its sandbox sees it, and the file is there", () => {
    const [first = "", second = "", url, third] = words(
      [],
      "@@",
      letter,
      "@@",
      "@@u",
      `file://${letter.replace(" ", "%20")}`,
      "https://example.org/",
      "@@",
      letter,
    );
    expect(first).toMatch(/^\/run\/flatpak\/doc\/[0-9a-f]+\/a letter\.txt$/);
    expect(second).toBe(`file://${first.replace(" ", "%20")}`);
    expect([url, third]).toEqual(["https://example.org/", letter]);
    const found = JSON.parse(pit.succeed(["run", "--file-forwarding", id, "files", "@@", letter, "@@"]));
    expect(found).toMatchObject({ content: "handed over", write: "OK" });
  });

  test("hands over folders", () => {
    const [folder = ""] = words([], "@@", pit.path("home/folder"), "@@");
    expect(folder).toMatch(/^\/run\/flatpak\/doc\/[0-9a-f]+\/folder$/);
    const found = JSON.parse(pit.succeed(["run", id, "files", `${folder}/inside`]));
    expect(found).toMatchObject({ content: "inside" });
  });

  test("leaves a descriptor alone that is not open", () => {
    expect(words([], "@@", "/proc/self/fd/99", "@@")).toEqual(["/proc/self/fd/99"]);
  });

  test("leaves names alone that the app can see, that are not there, or that it shall not get", () => {
    expect(words(["--filesystem=home"], "@@", letter, "@@")).toEqual([letter]);
    expect(words([], "@@", pit.path("home/missing"), "@@")).toEqual([pit.path("home/missing")]);
    expect(words(["--no-documents-portal"], "@@", letter, "@@")).toEqual([letter]);
    expect(words(["--sandbox"], "@@", letter, "@@")).toEqual([letter]);
  });

  /** What an app finds at the name of a file that it was passed open, and that a link lies in the place of. */
  function passed(environment: Readonly<Record<string, string>>, flags: string | number): unknown {
    const path = pit.path("home/passed.txt");
    writeFileSync(path, "passed on");
    const fd = openSync(path, flags);
    renameSync(path, pit.path("home/kept.txt"));
    symlinkSync(letter, path);
    const words = ["run", "--file-forwarding", id, "files", "@@", "/proc/self/fd/3", "@@"];
    const { stdout } = spawnSync(dowelPath, words, {
      env: { ...pit.environment, ...environment },
      stdio: ["ignore", "pipe", "inherit", fd],
      encoding: "utf8",
    });
    closeSync(fd);
    rmSync(path);
    const found = JSON.parse(stdout);
    // Each gets a document of its own, since what an app has got it keeps while the session lasts.
    pit.succeed(["document-unexport", pit.path("home/kept.txt")], { environment });
    return found;
  }

  const kept = {
    path: expect.stringMatching(/^\/run\/flatpak\/doc\/[0-9a-f]+\/kept\.txt$/),
    content: "passed on",
  };

  test("hands over a file that was passed open, whatever lies in its place, and to be read if it is open for that", () => {
    for (const flags of ["r+", O_PATH]) expect(passed({}, flags)).toMatchObject({ ...kept, write: "OK" });
    expect(passed({}, "r")).toMatchObject({ ...kept, write: "EACCES" });
  });

  const noPortal = { DBUS_SESSION_BUS_ADDRESS: `unix:path=${pit.path("run/nothing")}`, XDG_RUNTIME_DIR: "" };

  test("does the same itself where there is no portal", () => {
    for (const flags of ["r+", O_PATH]) expect(passed(noPortal, flags)).toMatchObject({ ...kept, write: "OK" });
    expect(passed(noPortal, "r")).toMatchObject({ ...kept, write: "EROFS" });
    const environment = noPortal;
    const said = pit.succeed(["run", "--file-forwarding", id, "files", "@@", letter, "@@"], { environment });
    expect(JSON.parse(said)).toMatchObject({
      path: expect.stringMatching(/^\/run\/flatpak\/doc\/[0-9a-f]{8}\/a letter\.txt$/),
      content: "handed over",
      write: "OK",
    });
  });
});
