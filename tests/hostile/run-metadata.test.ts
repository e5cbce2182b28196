// SPDX-License-Identifier: Apache-2.0
// Metadata, overrides and options that want more than they say.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { makeLayout, ordinaryUser, Sandpit } from "../e2e/support.ts";

const id = "org.example.Probe";
const clearScreen = "\u001b[2J";

describe("metadata at the install", () => {
  test.each([
    ["CVE-2023-28101", `[Context]\nfilesystems=/home${clearScreen};\n`],
    ["CVE-2023-28101", `[Context]\npersistent=a${clearScreen};\n`],
    ["CVE-2021-43860", "[Context]\nshared=network;\0filesystems=host;\n"],
    ["no such syntax", "[Context]\nsockets=if:x11;\n"],
    ["no such syntax", "[Context]\ndevices=a:b:c;\n"],
    ["needs a later version", "[Application]\nrequired-flatpak=99.0.0;\n"],
    ["not a query", "[USB Devices]\nenumerable-devices=vnd:12345;\n"],
  ])("what could hide or forge a permission is refused (%s: %j)", (_name, context) => {
    using pit = new Sandpit();
    const layout = makeLayout(pit.path("images"), { context });
    const install = pit.dowel(["install", "--user", "-y", `oci:${layout}`, id]);
    expect(install.status).toBe(1);
    expect(install.stderr).toMatch(/PERMISSION_INVALID|METADATA_INVALID|REF_NOT_FOUND|VERSION_REQUIRED/);
    expect(install.stdout + install.stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f]/);
    expect(pit.dowel(["run", id, "exit", "0"]).stderr).toContain("NOT_INSTALLED");
  });
});

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`wishes of an installed app, started by ${who}`, () => {
    const pit = new Sandpit(uid);
    const marker = pit.path("work/marker");
    const code = pit.path("work/evil.ts");

    beforeAll(() => {
      const context =
        `[Context]\nfilesystems=host;unknown-token;~/../..;/proc;/sys;/dev;/run/flatpak;xdg-run/dowel;\n` +
        `[Environment]\nBUN_OPTIONS=--preload=${code}\nLD_PRELOAD=${code}\nNODE_OPTIONS=--require=${code}\n` +
        `[Context]\nfeatures=unknown;multiarch;\n`;
      const layout = makeLayout(pit.path("images"), { context });
      writeFileSync(code, `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "ran");\n`);
      pit.own(pit.path("images"));
      pit.own(pit.path("home"));
      pit.own(pit.path("work"));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
    });
    afterAll(() => pit[Symbol.dispose]());

    test("variables that name code reach the app and nothing before it (CVE-2021-21261)", () => {
      for (const options of [[], ["--env=LD_AUDIT=/x"], ["--env=A=1"]]) {
        const { variables } = JSON.parse(pit.succeed(["run", ...options, id, "env"]));
        expect(variables.LD_PRELOAD).toBe(code);
      }
      expect(existsSync(marker)).toBe(false);
      const { variables } = JSON.parse(
        pit.succeed(["run", "--unset-env=LD_PRELOAD", id, "env"], {
          environment: { LD_PRELOAD: "", LD_LIBRARY_PATH: "/x" },
        }),
      );
      expect(variables.LD_PRELOAD ?? variables.LD_LIBRARY_PATH).not.toBe("/x");
    });

    test("--nofilesystem=host:reset takes all back, whatever the app names (CVE-2022-21682)", () => {
      writeFileSync(pit.path("home/letter"), "letter");
      const read = (...options: string[]) =>
        pit.succeed(["run", ...options, id, "files", pit.path("home/letter"), "/run/host/etc/passwd", "/run/host/usr"]);
      expect(read("--filesystem=home")).toContain("letter");
      expect(read("--nofilesystem=host:reset").match(/"stat":"OK"/g)).toBeNull();
      pit.succeed(["override", "--user", "--nofilesystem=host:reset"]);
      expect(read().match(/"stat":"OK"/g)).toBeNull();
      pit.succeed(["override", "--user", "--reset"]);
    });

    test("reserved places and the folder of plans are not shown, whoever names them", () => {
      const { mounts } = JSON.parse(pit.succeed(["plumbing", "spec", id]));
      const binds = mounts.filter((mount: { kind: string }) => mount.kind === "bind");
      const targets = binds.map((mount: { target: string }) => mount.target);
      for (const path of ["/proc", "/dev", "/run/flatpak", "/run", "/"]) expect(targets).not.toContain(path);
      const { stdout } = pit.dowel(["run", id, "files", `${pit.path("run")}/dowel/plans`, `/run/user/${uid}/dowel`]);
      expect(stdout.match(/"stat":"OK"/g)).toBeNull();
    });

    test("what info and a specification print moves no cursor (CVE-2023-28101)", () => {
      for (const words of [
        ["info", "--show-permissions", id],
        ["plumbing", "spec", id],
        ["override", "--show", "--user"],
      ]) {
        expect(pit.succeed(words)).not.toContain("\u001b");
      }
    });

    test("overrides that are a pipe, a folder, too large or malformed stop the start with their name", () => {
      const folder = pit.path("home/.local/share/dowel/overrides");
      const path = `${folder}/${id}`;
      mkdirSync(folder, { recursive: true });
      const makers: readonly (() => unknown)[] = [
        () => execFileSync("mkfifo", [path]),
        () => mkdirSync(path),
        () => writeFileSync(path, `#${"x".repeat(5 << 20)}\n`),
        () => writeFileSync(path, "[Context\n"),
        () => writeFileSync(path, `[Context]\nfilesystems=/a${clearScreen};\n`),
        () => writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00])),
      ];
      for (const make of makers) {
        make();
        const { status, stderr, stdout } = pit.dowel(["run", id, "exit", "0"]);
        expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining(path) });
        expect(stderr).not.toContain("\u001b");
        rmSync(path, { recursive: true });
      }
      expect(pit.dowel(["run", id, "exit", "0"]).status).toBe(0);
    });

    test("absurd numbers of permissions end with an error, not with a half-made sandbox", () => {
      mkdirSync(pit.path("home/many"));
      const options = Array.from({ length: 600 }, (_, index) => {
        mkdirSync(pit.path(`home/many/${index}`));
        return `--filesystem=~/many/${index}`;
      });
      pit.own(pit.path("home/many"));
      const { status, stderr, stdout } = pit.dowel(["run", "--nofilesystem=host", ...options, id, "exit", "0"]);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toContain("PLAN_INVALID");
    });
  });
}
