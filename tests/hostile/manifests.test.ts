// SPDX-License-Identifier: Apache-2.0
// Manifests and recipes that are wrong: the compiled program names file, line, column and what it expected.
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandpit } from "../e2e/support.ts";
import { expectRefused } from "./support.ts";

const pit = new Sandpit();
afterAll(() => pit[Symbol.dispose]());

const head = `id: org.example.Evil
runtime: org.example.Platform
runtime-version: "1"
sdk: org.example.Sdk
command: x
`;

/** Builds a manifest that is wrong. The line and the column of the mark \`<?\`, which is taken out, must be named. */
function refuse(marked: string, code: string, ...words: string[]): void {
  const folder = pit.path("work", String(readdirSync(pit.path("work")).length));
  mkdirSync(folder);
  const at = marked.indexOf("<?");
  const before = marked.slice(0, at).split("\n");
  const place = at < 0 ? "evil.yml" : `evil.yml:${before.length}:${(before.at(-1)?.length ?? 0) + 1}: `;
  writeFileSync(join(folder, "evil.yml"), marked.replace("<?", ""));
  const outcome = pit.dowel(["build", "evil.yml"], { cwd: folder });
  expectRefused(outcome, code, place, ...words);
  expect(readdirSync(folder)).toEqual(["evil.yml"]);
}

describe("build refuses a manifest with", () => {
  const cases: readonly (readonly [string, string, string, readonly string[]])[] = [
    ["an unknown key", `${head}modules: []\n<?clenup: []\n`, "MANIFEST_INVALID", ["clenup", "cleanup"]],
    [
      "a number for a text",
      `${head.replace("command: x", "command: <?[1]")}modules: []\n`,
      "MANIFEST_INVALID",
      ["command", "expected"],
    ],
    ["a text for a list", `${head}modules: <?none\n`, "MANIFEST_INVALID", ["modules", "expected a list"]],
    ["a list for a module", `${head}modules:\n  - <?[]\n`, "MANIFEST_INVALID", ["modules", "expected"]],
    [
      "an unknown build system",
      `${head}modules:\n  - name: a\n    buildsystem: <?mesn\n`,
      "MANIFEST_INVALID",
      ["mesn", "meson"],
    ],
    [
      "an unknown kind of source",
      `${head}modules:\n  - name: a\n    buildsystem: simple\n    sources:\n      - type: <?fil\n`,
      "MANIFEST_INVALID",
      ["fil", "file"],
    ],
    [
      "an unknown permission",
      `${head}finish-args:\n  - <?--share=everything\nmodules: []\n`,
      "MANIFEST_INVALID",
      ["everything"],
    ],
    [
      "an id that is none",
      `id: <?../../evil\n${head.slice(head.indexOf("runtime"))}modules: []\n`,
      "MANIFEST_INVALID",
      ["id"],
    ],
    ["a key twice", `${head}<?command: y\nmodules: []\n`, "MANIFEST_INVALID", ["unique"]],
    ["text that is no YAML", `${head}modules: [\n<?`, "MANIFEST_INVALID", []],
    [
      "a module name that climbs out",
      `${head}modules:\n  - name: <?../x\n    buildsystem: simple\n`,
      "MANIFEST_INVALID",
      ["name"],
    ],
    ["an escape sequence", `${head}<?"a\\e[2Jb": x\nmodules: []\n`, "MANIFEST_INVALID", []],
  ];
  for (const [name, text, code, words] of cases) test(name, () => refuse(text, code, ...words));

  test("a key missing that stands there misspelt", () => {
    refuse(`<?${head}modles: []\n`, "MANIFEST_INVALID", 'the key "modules"', 'evil.yml:6:1 has "modles"');
  });

  test("a source that is not there", () => {
    const source =
      "modules:\n  - name: a\n    build-commands: [x]\n    buildsystem: simple\n    sources:\n      - <?type: file\n        path: missing.c\n";
    refuse(`${head}${source}`, "SOURCE_FETCH", "missing.c");
  });

  test("a source outside of its folder, which is never copied", () => {
    for (const path of ["/etc/shadow", "../../../../etc/shadow"]) {
      const folder = pit.path("work", `outside-${path.length}`);
      mkdirSync(folder);
      const source = `modules:\n  - name: a\n    buildsystem: simple\n    sources:\n      - type: file\n        path: ${path}\n        dest-filename: ../../out\n`;
      writeFileSync(join(folder, "evil.yml"), `${head}${source}`);
      const outcome = pit.dowel(["build", "evil.yml"], { cwd: folder });
      expectRefused(outcome, "MANIFEST_INVALID", "evil.yml:", "dest-filename");
      expect(existsSync(pit.path("out"))).toBe(false);
    }
  });

  test("an included module that is not there", () => {
    refuse(`${head}modules:\n  - <?parts/missing.yml\n`, "MANIFEST_INVALID", "missing.yml");
  });

  test("JSON that ends too early, and JSON with a wrong type", () => {
    const folder = pit.path("work", "json");
    mkdirSync(folder);
    writeFileSync(join(folder, "cut.json"), '{\n  "id": "org.example.Evil",\n');
    expectRefused(pit.dowel(["build", "cut.json"], { cwd: folder }), "MANIFEST_INVALID", "cut.json:");
    writeFileSync(join(folder, "type.json"), '{\n  "id": 5\n}\n');
    expectRefused(pit.dowel(["build", "type.json"], { cwd: folder }), "MANIFEST_INVALID", "type.json:2:9: ", "id");
  });

  test("nothing in it, or that is not there, or is a folder", () => {
    refuse("", "MANIFEST_INVALID");
    expectRefused(pit.dowel(["build", "nowhere.yml"]), "IO", "nowhere.yml");
    expectRefused(pit.dowel(["build", "."]), "");
  });
});
