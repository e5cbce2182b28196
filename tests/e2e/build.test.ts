// SPDX-License-Identifier: Apache-2.0
// Builds by the compiled program, as root and as an ordinary user, with a small Sdk made of this machine's programs.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { makeBase } from "../interop/programs.ts";
import { ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Hello";
const images = new Sandpit();
beforeAll(() => makeBase(images.path("layout")));
afterAll(() => images[Symbol.dispose]());

function manifest(...commands: readonly string[]): string {
  const lines = commands.map((command) => `      - ${JSON.stringify(command)}\n`).join("");
  return `id: ${id}
branch: stable
runtime: org.example.Base
runtime-version: "1"
sdk: org.example.Base
command: hello
modules:
  - name: hello
    buildsystem: simple
    build-commands:
${lines}    sources:
      - type: script
        dest-filename: hello
        commands: [id, cat /app/share/built]
`;
}

const install = ["install -D -m 755 hello /app/bin/hello", "mkdir -p /app/share", "id > /app/share/built"];

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`build by ${who}`, () => {
    const pit = new Sandpit(uid);
    const build = (...words: readonly string[]): ReturnType<Sandpit["dowel"]> => {
      pit.own(pit.path("work"));
      return pit.dowel(["build", "app.yml", ...words]);
    };
    beforeAll(() => {
      pit.succeed(["install", "--user", "-y", `oci:${images.path("layout")}`]);
    });
    afterAll(() => pit[Symbol.dispose]());

    test("builds, installs and runs, and takes the second time from what is kept", () => {
      writeFileSync(pit.path("work/app.yml"), manifest(...install));
      expect(build("--install", "--user")).toMatchObject({ status: 0 });
      const said = pit.succeed(["run", id]);
      expect(said.match(new RegExp(`uid=${uid}\\b`, "g"))).toHaveLength(2);
      const { status, stderr } = build();
      expect({ status, stderr }).toEqual({
        status: 0,
        stderr: expect.stringMatching(/^Cached {2}hello\nBuilt [^$]*$/),
      });
    });

    test("hangs on an image what it was made of and how, the same bytes each time", () => {
      writeFileSync(pit.path("work/app.yml"), manifest(...install));
      const digests = ["one", "two"].map((name) => {
        const folder = pit.path("work", name);
        expect(build(`--state-dir=${folder}`, `--output=oci:${folder}-images`)).toMatchObject({ status: 0 });
        const index = JSON.parse(readFileSync(`${folder}-images/index.json`, "utf8")) as {
          manifests: { digest: string }[];
        };
        return index.manifests.map(({ digest }) => digest);
      });
      expect(digests[0]).toHaveLength(3);
      expect(digests[1]).toEqual(digests[0]);
      const layout = `oci:${pit.path("work/one-images")}`;
      expect(pit.succeed(["remote-info", "--sbom", layout, id])).toMatch(
        /^ +Created: 2011-11-11T11:11:11Z$[^$]*^hello$/m,
      );
      expect(pit.succeed(["info", "--user", "--provenance", id])).toContain("manifest: app.yml\n");
      const statement = pit.succeed(["info", "--user", "--provenance", "--json", id]);
      expect(JSON.parse(statement)).toMatchObject({ predicateType: "https://slsa.dev/provenance/v1" });
      const { status } = build("--no-attestations", `--output=oci:${pit.path("work/bare")}`);
      expect(status).toBe(0);
      const { status: none, stderr } = pit.dowel(["remote-info", "--sbom", `oci:${pit.path("work/bare")}`, id]);
      expect([none, stderr]).toEqual([1, expect.stringContaining("[ATTESTATION_MISSING]")]);
    });

    test("builds an extension of an app, which shows in it once it is installed", () => {
      const point = `add-extensions:\n  ${id}.Plugin: {directory: lib/plugins, subdirectories: true}\n`;
      const command = "commands: [cat /app/lib/plugins/one/greeting]";
      const app = manifest(...install).replace("commands: [id, cat /app/share/built]", command);
      writeFileSync(pit.path("work/app.yml"), app + point);
      expect(build("--install", "--user")).toMatchObject({ status: 0 });
      expect(pit.dowel(["run", id]).status).toBe(1);
      const extension = `id: ${id}.Plugin.one
build-extension: true
branch: stable
runtime: ${id}
runtime-version: stable
sdk: org.example.Base//1
modules:
  - name: one
    buildsystem: simple
    build-commands: ["cat /app/share/built > /dev/null", "echo hello > $FLATPAK_DEST/greeting"]
`;
      writeFileSync(pit.path("work/app.yml"), extension);
      expect(build("--install", "--user")).toMatchObject({ status: 0 });
      expect(pit.succeed(["run", id])).toBe("hello\n");
      expect(pit.succeed(["info", "--show-extensions", id])).toContain(`Extension: runtime/${id}.Plugin.one/`);
    });

    test("that fails shows output in whole lines, the command, its exit code and where the log is", () => {
      writeFileSync(pit.path("work/app.yml"), manifest("printf one; printf 'two\\n'; printf three; exit 3"));
      const { status, stderr } = build();
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("[BUILD_FAILED]") });
      expect(stderr).toContain("onetwo\nthree\n");
      expect(stderr).toContain("exit code 3");
      expect(stderr).not.toMatch(/^\s+at /m);
      const log = /All output is in (\S+)\./.exec(stderr)?.[1] ?? "";
      expect(readFileSync(log, "utf8")).toContain("onetwo\nthree");
    });
  });
}
