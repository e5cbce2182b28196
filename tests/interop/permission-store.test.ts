// SPDX-License-Identifier: Apache-2.0
// The permission commands against the real xdg-permission-store, beside Flatpak's own.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dowelPath } from "../e2e/support.ts";
import { type Child, startBus, type TestBus } from "../support/bus.ts";
import { startPermissionStore } from "../support/permissionstore.ts";

let folder: string;
let bus: TestBus;
let store: Child;
let environment: Record<string, string>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-permissions-"));
  bus = await startBus(folder);
  environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    XDG_DATA_HOME: join(folder, "data"),
    XDG_RUNTIME_DIR: folder,
    DBUS_SESSION_BUS_ADDRESS: bus.address,
    LANG: "C.UTF-8",
  };
  store = await startPermissionStore(bus, join(folder, "data"));
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function run(program: string, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(program, words, { env: environment, encoding: "utf8" });
  return { status, stdout, stderr };
}

function dowel(...words: string[]) {
  return run(dowelPath, ...words);
}

beforeEach(() => {
  expect(dowel("permission-reset", "--all")).toEqual({ status: 0, stdout: "", stderr: "" });
  for (const words of [
    ["devices", "camera", "org.example.A", "yes"],
    ["devices", "camera", "org.example.B", "no"],
    ["location", "location", "org.example.A", "EXACT", "0"],
  ]) {
    expect(dowel("permission-set", ...words)).toEqual({ status: 0, stdout: "", stderr: "" });
  }
});

function lines({ stdout }: { readonly stdout: string }): string[] {
  return stdout.trimEnd().split("\n").sort();
}

describe("the permission commands", () => {
  test("permissions shows what Flatpak shows", () => {
    for (const words of [["permissions"], ["permissions", "devices"], ["permissions", "devices", "camera"]]) {
      const ours = dowel(...words);
      expect(ours).toMatchObject({ status: 0, stderr: "" });
      expect(lines(ours)).toEqual(lines(run("flatpak", ...words)));
      expect(lines(ours).length).toBe(words.length === 1 ? 3 : 2);
    }
    expect(lines(dowel("permission-show", "org.example.A"))).toEqual(
      lines(run("flatpak", "permission-show", "org.example.A")),
    );
  });

  test("permissions --json has each entry", () => {
    const found = JSON.parse(dowel("permissions", "--json", "devices").stdout);
    expect(found).toContainEqual({
      table: "devices",
      object: "camera",
      app: "org.example.A",
      permissions: "yes",
      data: "0x00",
    });
    expect(found.length).toBe(2);
  });

  test("Flatpak sees what permission-set, -remove and -reset did", () => {
    dowel("permission-remove", "devices", "camera", "org.example.B");
    expect(run("flatpak", "permissions", "devices").stdout).not.toContain("org.example.B");
    run("flatpak", "permission-set", "background", "background", "org.example.C", "no");
    expect(dowel("permissions", "background").stdout).toContain("org.example.C\tno");
    dowel("permission-reset", "org.example.A");
    expect(run("flatpak", "permissions").stdout).not.toContain("org.example.A");
    expect(dowel("permission-remove", "devices", "camera").status).toBe(0);
    for (const program of [dowelPath, "flatpak"]) {
      expect(run(program, "permissions", "devices", "camera")).toMatchObject({ status: 1, stdout: "" });
    }
    expect(dowel("permissions", "devices", "camera").stderr).toContain("[PERMISSION_NOT_FOUND]");
  });

  test("permission-set --data keeps what Flatpak's keeps", () => {
    const data = "('x', uint32 7, {'a': <true>})";
    expect(dowel("permission-set", `--data=${data}`, "devices", "camera", "org.example.A", "yes").status).toBe(0);
    const ours = run("flatpak", "permissions", "devices", "camera").stdout;
    dowel("permission-reset", "--all");
    run("flatpak", "permission-set", `--data=${data}`, "devices", "camera", "org.example.A", "yes");
    const theirs = run("flatpak", "permissions", "devices", "camera").stdout;
    expect(lines({ stdout: ours })).toContainEqual(theirs.trimEnd());
    expect(dowel("permissions", "devices", "camera").stdout).toBe(theirs);
    expect(dowel("permission-set", "--data=(", "devices", "camera", "org.example.A").stderr).toContain(
      "at character 2",
    );
  });

  test.each([
    "<uint32 5>",
    "<(byte 1, int16 -2, uint16 2, int64 -3, uint64 3, 4, 'x', true, 1.5, 2.0)>",
    "[<uint32 1>, <[uint32 1, 2]>, <@au []>, <@a{sv} {}>, <{'a': uint32 1, 'b': 2}>]",
    "<objectpath '/a'>",
    '<"it\'s">',
  ])("permissions shows values as Flatpak does: %s", (data) => {
    expect(dowel("permission-set", `--data=${data}`, "devices", "camera", "org.example.A", "yes").status).toBe(0);
    const [ours, theirs] = [dowelPath, "flatpak"].map((program) => run(program, "permission-show", "org.example.A"));
    expect(lines({ stdout: ours?.stdout ?? "" })).toEqual(lines({ stdout: theirs?.stdout ?? "" }));
    expect(ours?.stdout).toContain("\tyes\t");
  });

  test("name no table that would be a path, which ends the store", () => {
    for (const table of ["", "../x", "a/b", ".hidden"]) {
      for (const words of [
        ["permissions", table],
        ["permission-set", table, "id", "org.example.A", "yes"],
        ["permission-remove", table, "id"],
      ]) {
        expect(dowel(...words)).toMatchObject({ status: 1, stderr: expect.stringContaining("[PERMISSION_INVALID]") });
      }
    }
    expect(dowel("permissions", "devices")).toMatchObject({ status: 0 });
  });

  test("say what is wrong", () => {
    expect(dowel("permission-remove", "devices", "microphone")).toMatchObject({ status: 1, stdout: "" });
    expect(dowel("permission-remove", "devices", "microphone").stderr).toContain("has no microphone");
    expect(dowel("permission-reset").stderr).toContain("--all");
    const away = { ...environment, DBUS_SESSION_BUS_ADDRESS: `unix:path=${folder}/none` };
    const { status, stderr } = spawnSync(dowelPath, ["permissions"], { env: away, encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain("Cannot connect to the bus");
  });
});
