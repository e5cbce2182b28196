// SPDX-License-Identifier: Apache-2.0
// An installation that runs out of space, whose writers are killed, and that several processes change at once.
import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { makeLayout, Sandpit } from "../e2e/support.ts";
import { gzipLayer } from "../support/layout.ts";
import { type RawEntry, rawTar } from "./rawtar.ts";
import { addEvil, evilId, expectRefused, honestEntries, listing } from "./support.ts";

const MiB = 1024 * 1024;
const images = new Sandpit();
const honest = `oci:${makeLayout(images.path("images"))}`;
const id = "org.example.Probe";
afterAll(() => images[Symbol.dispose]());

/** The evil app here is just large: some hundred files in two layers, beside the runtime. */
function makeLarge(bytes: number): string {
  const layout = images.path("images/layout");
  const files = (from: number): RawEntry[] =>
    Array.from({ length: 100 }, (_, at) => ({ name: `files/${from + at}`, content: randomBytes(bytes / 200) }));
  const layers = [gzipLayer(rawTar([...honestEntries(), ...files(0)])), gzipLayer(rawTar(files(100)))];
  addEvil(layout, { layers });
  return `oci:${layout}`;
}

function installedIds(pit: Sandpit): string[] {
  const rows = JSON.parse(pit.succeed(["list", "--json"])) as { application_id: string }[];
  return rows.map((row) => row.application_id).sort();
}

describe("a full file system", () => {
  test("refuses a large image, keeps the old state, and takes the image when there is space (NO_SPACE)", () => {
    using pit = new Sandpit();
    const installation = pit.path("home/.local/share/dowel");
    mkdirSync(installation, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", installation]);
    try {
      pit.succeed(["install", "--user", "-y", honest, id]);
      const before = listing(installation);
      const large = ["install", "--user", "-y", makeLarge(12 * MiB), evilId];
      expectRefused(pit.dowel(large), "NO_SPACE", "space");
      expect(listing(installation).filter((row) => !/^(tmp|layers|objects)\//.test(row))).toEqual(
        before.filter((row) => !/^(tmp|layers|objects)\//.test(row)),
      );
      expect(pit.dowel(["run", id, "exit", "7"]).status).toBe(7);
      execFileSync("mount", ["-o", "remount,size=64m", installation]);
      pit.succeed(large);
      expect(installedIds(pit)).toEqual([evilId, "org.example.Platform", id]);
    } finally {
      pit.dowel(["uninstall", "--user", "-y", "--all"]);
      execFileSync("umount", ["-l", installation]);
    }
  }, 30_000);
});

describe("a killed install", () => {
  test("leaves the old state or the new one, whenever it is killed, and the next one succeeds", async () => {
    using pit = new Sandpit();
    pit.succeed(["install", "--user", "-y", honest, id]);
    const large = makeLarge(4 * MiB);
    const words = ["install", "--user", "-y", large, evilId];
    const started = performance.now();
    pit.succeed(words);
    const whole = performance.now() - started;
    for (let round = 0; round < 15; round++) {
      if (installedIds(pit).includes(evilId)) pit.succeed(["uninstall", "--user", "-y", evilId]);
      const delay = ((round + Math.random()) / 15) * whole;
      const { child, outcome } = pit.start(words);
      const timer = setTimeout(() => child.kill("SIGKILL"), delay);
      await outcome;
      clearTimeout(timer);
      const ids = installedIds(pit);
      expect([delay, ids.filter((name) => name !== evilId)]).toEqual([delay, ["org.example.Platform", id]]);
      expect(pit.dowel(["run", id, "exit", "7"]).status).toBe(7);
      if (ids.includes(evilId)) expect(pit.dowel(["info", evilId]).status).toBe(0);
    }
    const last = pit.dowel([...words, "--or-update"]);
    expect(last).toMatchObject({ status: 0 });
    const installation = pit.path("home/.local/share/dowel");
    const files = readdirSync(join(installation, "app", evilId, "current/active/files"));
    expect(files.length).toBe(201);
    pit.succeed(["uninstall", "--user", "-y", "--all"]);
    expect(readdirSync(join(installation, "tmp")).filter((name) => name !== "blobs")).toEqual([]);
    expect(listing(join(installation, "objects")).filter((row) => row.includes(" 100"))).toEqual([]);
  }, 60_000);
});

describe("several processes at once", () => {
  test("install the same and other apps into one installation", async () => {
    using pit = new Sandpit();
    const large = makeLarge(2 * MiB);
    const wishes = [
      ["install", "--user", "-y", "--or-update", large, evilId],
      ["install", "--user", "-y", "--or-update", honest, id],
      ["install", "--user", "-y", "--or-update", large, evilId],
    ];
    const outcomes = await Promise.all(wishes.map((words) => pit.start(words).outcome));
    expect(outcomes.map(({ status, stderr }) => [status, status === 0 ? "" : stderr])).toEqual(
      wishes.map(() => [0, ""]),
    );
    expect(installedIds(pit)).toEqual([evilId, "org.example.Platform", id]);
    expect(pit.dowel(["run", id, "exit", "7"]).status).toBe(7);
  }, 30_000);

  test("install and uninstall, and readers see whole states", async () => {
    using pit = new Sandpit();
    pit.succeed(["install", "--user", "-y", honest, id]);
    const large = makeLarge(2 * MiB);
    for (let round = 0; round < 3; round++) {
      const changes = [
        pit.start(["install", "--user", "-y", large, evilId]).outcome,
        pit.start(["uninstall", "--user", "-y", id]).outcome,
        pit.start(["list", "--json"]).outcome,
        pit.start(["list", "--json"]).outcome,
      ];
      const outcomes = await Promise.all(changes);
      expect(outcomes.map(({ status, stderr }) => [status, status === 0 ? "" : stderr])).toEqual(
        changes.map(() => [0, ""]),
      );
      expect(installedIds(pit)).toEqual([evilId, "org.example.Platform"]);
      const back = await Promise.all([
        pit.start(["uninstall", "--user", "-y", evilId]).outcome,
        pit.start(["install", "--user", "-y", "--or-update", honest, id]).outcome,
      ]);
      expect(back.map(({ status, stderr }) => [status, status === 0 ? "" : stderr])).toEqual([
        [0, ""],
        [0, ""],
      ]);
      expect(pit.dowel(["run", id, "exit", "7"]).status).toBe(7);
    }
  }, 60_000);

  test("run one app ten times, cold together and warm together", async () => {
    using pit = new Sandpit();
    pit.succeed(["install", "--user", "-y", honest, id]);
    for (let round = 0; round < 2; round++) {
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => pit.start(["run", id, "id"]).outcome));
      for (const { status, stdout, stderr } of outcomes) {
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
        expect(JSON.parse(stdout)).toMatchObject({ uid: 0, ppid: 1 });
      }
    }
    expect(readdirSync(pit.path("run/dowel/plans")).length).toBe(1);
  }, 30_000);
});
