// SPDX-License-Identifier: Apache-2.0
// The files of the permission store: what Dowel writes where no store runs is read by the real one, and the other way round.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dowelPath } from "../e2e/support.ts";
import { startBus } from "../support/bus.ts";
import { startPermissionStore } from "../support/permissionstore.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-tables-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function dowel(bus: string | undefined, ...words: readonly string[]) {
  const environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    XDG_DATA_HOME: join(folder, "data"),
    XDG_RUNTIME_DIR: folder,
    ...(bus === undefined ? {} : { DBUS_SESSION_BUS_ADDRESS: bus }),
  };
  const { status, stdout, stderr } = spawnSync(dowelPath, words, { env: environment, encoding: "utf8" });
  return { status, stdout, stderr };
}

/** What a store that is started now answers. */
async function withStore<T>(
  use: (...words: readonly string[]) => T,
  words: readonly (readonly string[])[],
): Promise<T[]> {
  await using bus = await startBus(folder);
  await using _store = await startPermissionStore(bus, join(folder, "data"));
  return words.map((one) => use(bus.address, ...one));
}

const all = ["permissions", "--json"];
const sets = [
  ["permission-set", "devices", "camera", "org.example.A", "yes"],
  ["permission-set", "devices", "camera", "org.example.B", "no"],
  ["permission-set", "devices", "microphone", "", "ask"],
  [
    "permission-set",
    "--data=('path', uint64 5, {'a': <[1, 2, 3]>})",
    "documents",
    "abc",
    "org.example.Ä",
    "read",
    "write",
  ],
  ["permission-set", "empty", "nothing", "org.example.A"],
  ...Array.from({ length: 20 }, (_, index) => ["permission-set", "many", `id${index}`, "org.example.A", `p${index}`]),
];

describe("tables on disk", () => {
  test("the real store reads what was written without one, and changes go on in its files", async () => {
    for (const words of sets) expect(dowel(undefined, ...words)).toEqual({ status: 0, stdout: "", stderr: "" });
    const ours = dowel(undefined, ...all).stdout;
    expect(JSON.parse(ours).length).toBe(25);
    const remove = ["permission-remove", "devices", "camera", "org.example.B"];
    const [there, , changed] = await withStore(dowel, [all, remove, all]);
    expect(JSON.parse(there?.stdout ?? "")).toEqual(JSON.parse(ours));
    expect(dowel(undefined, ...all).stdout).toBe(changed?.stdout ?? "");
    expect(changed?.stdout).not.toContain("org.example.B");
  });

  test("what the real store wrote is read and changed without it", async () => {
    const [there] = (await withStore(dowel, [...sets, all])).slice(-1);
    expect(dowel(undefined, ...all)).toEqual(there ?? { status: null, stdout: "", stderr: "" });
    expect(dowel(undefined, "permission-remove", "many", "id7").status).toBe(0);
    expect(dowel(undefined, "permission-reset", "org.example.B").status).toBe(0);
    const left = JSON.parse(dowel(undefined, ...all).stdout);
    expect(left.length).toBe(JSON.parse(there?.stdout ?? "").length - 2);
    const [again] = await withStore(dowel, [all]);
    expect(JSON.parse(again?.stdout ?? "")).toEqual(left);
  });

  test("one that is damaged is an error that names it, and is left as it is", () => {
    dowel(undefined, ...(sets[0] ?? []));
    const path = join(folder, "data/flatpak/db/devices");
    const good = readFileSync(path);
    for (const damaged of [good.subarray(0, 20), good.subarray(0, -3), Buffer.alloc(100), Buffer.alloc(0)]) {
      writeFileSync(path, damaged);
      for (const words of [["permissions"], sets[0] ?? [], ["permission-remove", "devices", "camera"]]) {
        const { status, stdout, stderr } = dowel(undefined, ...words);
        expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
        expect(stderr).toContain(path);
        expect(stderr).toContain("[PERMISSION_TABLE_DAMAGED]");
      }
      expect(readFileSync(path)).toEqual(Buffer.from(damaged));
    }
    expect(readdirSync(join(folder, "data/flatpak/db")).sort()).toEqual([".lock", "devices"]);
  });

  test.each(["../../other", "a/b", "..", ".lock", ""])("%p is no table", (name) => {
    const { status, stderr } = dowel(undefined, "permission-set", name, "id", "org.example.A", "yes");
    expect(status).toBe(1);
    expect(stderr).toContain("no name of a table");
    expect(readdirSync(folder)).toEqual([]);
  });
});
