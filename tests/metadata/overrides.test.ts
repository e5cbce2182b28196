// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  changeOverrides,
  formatOverrides,
  overrideFiles,
  overridesPath,
  readOverrides,
  resetOverrides,
} from "../../src/metadata/overrides.ts";
import { applyPermissionOption } from "../../src/metadata/permissions/options.ts";

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

describe("changeOverrides()", () => {
  const installation = () => join(folder, "changed");
  const text = (id: string | undefined) => readFileSync(overridesPath(installation(), id), "utf8");
  const apply = (id: string | undefined, ...options: string[]) =>
    changeOverrides(installation(), id, (before) => options.reduce(applyPermissionOption, before));

  test("changeOverrides() keeps denials, marks, unset variables and `none`", async () => {
    await apply("org.example.App", "--unshare=network", "--device-if=all:!has-wayland", "--nofilesystem=host:reset");
    await apply("org.example.App", "--filesystem=~/x:ro", "--no-talk-name=org.a.B", "--unset-env=A");
    expect(text("org.example.App")).toBe(
      "[Context]\nshared=!network;\ndevices=all;if:all:!has-wayland;\nfilesystems=!host:reset;~/x:ro;\n" +
        "unset-environment=A;\n\n[Environment]\nA=\n\n[Session Bus Policy]\norg.a.B=none\n",
    );
    expect(formatOverrides(readOverrides([overridesPath(installation(), "org.example.App")]))).toBe(
      text("org.example.App"),
    );
  });

  test("changeOverrides() keeps what it does not know, and loses no change made at the same time", async () => {
    put("changed", "global", "# mine\n[X-Other]\nkey=value\n");
    const names = Array.from({ length: 20 }, (_, index) => `N${index}`);
    await Promise.all(names.map((name) => apply(undefined, `--env=${name}=1`)));
    expect(text(undefined)).toStartWith("# mine\n[X-Other]\nkey=value\n");
    for (const name of names) expect(text(undefined)).toContain(`${name}=1\n`);
  });

  test("changeOverrides() changes nothing of a file with a mistake and names it; resetOverrides() removes it", async () => {
    put("changed", "org.example.Bad", "[Context]\nfilesystems=/a\\u001bb;\n".replace("\\u001b", "\u001b"));
    const before = text("org.example.Bad");
    await expect(apply("org.example.Bad", "--share=ipc")).rejects.toMatchObject({
      code: "PERMISSION_INVALID",
      message: expect.stringContaining("overrides/org.example.Bad"),
    });
    expect(text("org.example.Bad")).toBe(before);
    await resetOverrides(installation(), "org.example.Bad");
    expect(existsSync(overridesPath(installation(), "org.example.Bad"))).toBe(false);
    await resetOverrides(installation(), "org.example.Bad");
  });

  test("readOverrides() refuses what is no file or too large", () => {
    mkdirSync(join(folder, "odd/overrides/global"), { recursive: true });
    expect(() => readOverrides([join(folder, "odd/overrides/global")])).toThrow("not a file");
    put("odd", "large", `#${"x".repeat(5 * 1024 * 1024)}\n`);
    expect(() => readOverrides([join(folder, "odd/overrides/large")])).toThrow("are allowed");
  });
});
