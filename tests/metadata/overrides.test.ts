// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { overrideFiles, readOverrides } from "../../src/metadata/overrides.ts";

let folder = "";

function put(installation: string, name: string, text: string): void {
  mkdirSync(join(folder, installation, "overrides"), { recursive: true });
  writeFileSync(join(folder, installation, "overrides", name), text);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-overrides-"));
  put("system", "global", "[Context]\nshared=!network;\nfilesystems=home;\n");
  put("system", "org.example.App", "[Context]\nshared=network;\n");
  put("user", "global", "[Environment]\nA=1\n");
  put("user", "org.example.Broken", "no group\n");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files = (id: string) => overrideFiles({ id, system: join(folder, "system"), user: join(folder, "user") });

describe("readOverrides()", () => {
  test("readOverrides() merges the files of both installations, the user's last", () => {
    const permissions = readOverrides(files("org.example.App"));
    expect(permissions.shared.get("network")?.allowed).toBe(true);
    expect(permissions.filesystems.get("home")).toBe("rw");
    expect(permissions.environment.get("A")).toBe("1");
  });

  test("readOverrides() reads no app's file for another app", () => {
    expect(readOverrides(files("org.example.Other")).shared.get("network")?.allowed).toBe(false);
  });

  test("readOverrides() names the file and line of one that is malformed", () => {
    expect(() => readOverrides(files("org.example.Broken"))).toThrow(
      expect.objectContaining({ code: "KEYFILE_SYNTAX", message: expect.stringContaining("org.example.Broken") }),
    );
  });

  test("overrideFiles() names only the user's files for an app of the user's own", () => {
    expect(overrideFiles({ id: "a.b.C", system: undefined, user: "/u" })).toEqual([
      "/u/overrides/global",
      "/u/overrides/a.b.C",
    ]);
  });
});
