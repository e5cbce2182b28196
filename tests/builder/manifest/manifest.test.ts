// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { relative } from "node:path";
import { loadManifest } from "../../../src/builder/manifest/manifest.ts";
import { errorOf, TestFolder } from "../support.ts";

const head = `id: org.example.App
runtime: org.example.Platform
runtime-version: "1"
sdk: org.example.Sdk
`;

/** The message without the folder of the test. */
function messageOf(folder: TestFolder, name: string): string {
  return errorOf(() => loadManifest(folder.join(name))).message.replaceAll(`${folder.path}/`, "");
}

const wrong: readonly (readonly [name: string, text: string, message: string])[] = [
  ["a key that does not exist", `${head}comand: x\nmodules: []\n`, "m.yml:5:1: comand: expected a known key"],
  ["a missing key", "id: org.example.App\n", 'm.yml:1:1: expected the key "runtime"'],
  ["no modules", head, 'm.yml:1:1: expected the key "modules"'],
  ["a list for text", `${head}command: [a]\nmodules: []\n`, "m.yml:5:10: command: expected text"],
  [
    "a number for text",
    "id: org.example.App\nruntime: a.b.C\nruntime-version: 5\n",
    'm.yml:3:18: runtime-version: expected text; write "5" in quotes',
  ],
  ["a malformed id", "id: App\nruntime: a.b.C\n", "m.yml:1:5: id: expected an id of three or more elements"],
  ["text for a list", `${head}cleanup: x\nmodules: []\n`, "m.yml:5:10: cleanup: expected a list"],
  ["a wrong item", `${head}modules: []\ncleanup:\n  - a\n  - [b]\n`, "m.yml:8:5: cleanup[1]: expected text"],
  ["a module without a name", `${head}modules:\n  - sources: []\n`, 'm.yml:6:5: modules[0]: expected the key "name"'],
  [
    "a module's unknown build system",
    `${head}modules:\n  - name: x\n    buildsystem: ninja\n`,
    "m.yml:7:18: modules[0].buildsystem: expected one of autotools, cmake, cmake-ninja, meson, qmake, simple",
  ],
  [
    "a url without a checksum",
    `${head}modules:\n  - name: x\n    sources:\n      - {type: file, url: "https://example.org/a"}\n`,
    'm.yml:8:27: modules[0].sources[0].url: expected a "sha256" or "sha512" checksum',
  ],
  [
    "an unquoted checksum of digits",
    `${head}modules:\n  - name: x\n    sources:\n      - {type: file, url: "https://e.org/a", sha256: 1234}\n`,
    'm.yml:8:54: modules[0].sources[0].sha256: expected text; write "1234" in quotes',
  ],
  [
    "a short checksum",
    `${head}modules:\n  - name: x\n    sources:\n      - {type: file, url: "https://e.org/a", sha256: ab}\n`,
    "m.yml:8:54: modules[0].sources[0].sha256: expected 64 hex digits",
  ],
  [
    "a destination outside",
    `${head}modules:\n  - name: x\n    sources:\n      - {type: shell, commands: [], dest: ../x}\n`,
    "m.yml:8:43: modules[0].sources[0].dest: expected a relative path without '..'",
  ],
  [
    "a file name with a folder",
    `${head}modules:\n  - name: x\n    sources:\n      - {type: inline, contents: a, dest-filename: a/b}\n`,
    "m.yml:8:52: modules[0].sources[0].dest-filename: expected the name of a file, without '/'",
  ],
  [
    "a branch and a tag",
    `${head}modules:\n  - name: x\n    sources:\n      - {type: git, url: "https://e.org/a", branch: b, tag: t}\n`,
    'm.yml:8:61: modules[0].sources[0].tag: expected only one of "branch" and "tag"',
  ],
  [
    "a short commit",
    `${head}modules:\n  - name: x\n    sources:\n      - {type: git, url: "https://e.org/a", commit: abc1234}\n`,
    "m.yml:8:53: modules[0].sources[0].commit: expected a full commit id",
  ],
  [
    "env as a list",
    `${head}build-options:\n  env: [A=b]\nmodules: []\n`,
    "m.yml:6:8: build-options.env: expected a group",
  ],
  [
    "a permission that does not exist",
    `${head}modules: []\nfinish-args:\n  - --share=ipc\n  - --share=all\n`,
    'm.yml:8:5: finish-args[1]: --share="all": expected one of',
  ],
  ["bad indentation", "id: a\n  b: c\n", "m.yml:1:5: not valid YAML"],
  ["a key twice", `${head}id: org.example.B\nmodules: []\n`, "m.yml:5:1: not valid YAML: Map keys must be unique"],
  ["a merge key", `${head}<<: {}\nmodules: []\n`, "m.yml:5:1: <<: expected a known key"],
  ["a tag of another language", `${head}command: !!js/function x\nmodules: []\n`, "m.yml:5:10: not valid YAML"],
];

describe("loadManifest() says where a YAML manifest is wrong", () => {
  for (const [name, text, message] of wrong) {
    test(name, () => {
      using folder = new TestFolder();
      folder.write("m.yml", text);
      expect(messageOf(folder, "m.yml")).toStartWith(message);
      expect(errorOf(() => loadManifest(folder.join("m.yml"))).code).toBe("MANIFEST_INVALID");
    });
  }

  test("with the name of the key that was probably meant", () => {
    using folder = new TestFolder();
    folder.write("m.yml", `${head}finsh-args: []\nmodules: []\n`);
    expect(errorOf(() => loadManifest(folder.join("m.yml"))).hint).toBe('Did you mean "finish-args"?');
  });
});

const wrongJson: readonly (readonly [name: string, text: string, message: string])[] = [
  ["a trailing comma", '{"id": "org.example.App",}', "m.json:1:26: not valid JSON"],
  ["a number for text", '{\n  "id": 5\n}', 'm.json:2:9: id: expected text; write "5" in quotes'],
  ["a fraction", '{"source-date-epoch": 1.5}', "m.json:1:23: expected a whole number"],
  ["a key twice", '{"id": "a.b.C",\n "id": "a.b.D"}', "m.json:2:2: id: expected each key only once"],
  ["nothing at all", "", "m.json:1:1: "],
  ["a list", "[]", "m.json:1:1: expected a group of keys"],
];

describe("loadManifest() says where a JSON manifest is wrong", () => {
  for (const [name, text, message] of wrongJson) {
    test(name, () => {
      using folder = new TestFolder();
      folder.write("m.json", text);
      expect(messageOf(folder, "m.json")).toStartWith(message);
    });
  }
});

describe("loadManifest()", () => {
  test("reads JSON with comments and passes over x- keys, // keys and $schema", () => {
    using folder = new TestFolder();
    folder.write(
      "m.json",
      `/* one */ {
        "$schema": "x", "//": "y", "x-checker": {"a": 1}, // two
        "app-id": "org.example.App", "runtime": "a.b.C", "runtime-version": "1", "sdk": "a.b.Sdk//2",
        "modules": [{"name": "m", "x-a": 1, "sources": [{"type": "shell", "commands": ["true"], "//x": 1}]}]
      }`,
    );
    const manifest = loadManifest(folder.join("m.json"));
    expect([manifest.id, manifest.sdk, manifest.modules[0]?.buildSystem]).toEqual([
      "org.example.App",
      "a.b.Sdk//2",
      "autotools",
    ]);
  });

  test("keeps yes, on and fractions as text, and follows aliases", () => {
    using folder = new TestFolder();
    folder.write(
      "m.yml",
      `${head.replace('"1"', "25.08")}tags: [yes, on, &a 1.5, *a]\nmodules: []\nbuild-options:\n  env: {A: "1", B: ~, C: ''}\n`,
    );
    const manifest = loadManifest(folder.join("m.yml"));
    expect(manifest.runtimeVersion).toBe("25.08");
    expect(manifest.tags).toEqual(["yes", "on", "1.5", "1.5"]);
    expect([...manifest.buildOptions.env]).toEqual([
      ["A", "1"],
      ["B", null],
      ["C", ""],
    ]);
  });

  test("includes modules and sources from other files, relative to the file that names them", () => {
    using folder = new TestFolder();
    folder.write("m.yml", `${head}modules:\n  - sub/mod.json\n  - name: b\n    sources: [src/list.yml]\n`);
    folder.write(
      "sub/mod.json",
      '{"name": "a", "modules": ["deep/inner.yml"], "sources": [{"type":"dir","path":"x"}]}',
    );
    folder.write("sub/deep/inner.yml", "- {name: c, sources: []}\n- {name: d, sources: []}\n");
    folder.write("src/list.yml", "- {type: patch, path: p.diff}\n- {type: shell, commands: [a]}\n");
    const { modules } = loadManifest(folder.join("m.yml"));
    expect(modules.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(modules[0]?.modules.map(({ name }) => name)).toEqual(["c", "d"]);
    const dir = modules[0]?.sources[0];
    expect(dir?.type === "dir" && relative(folder.path, dir.path)).toBe("sub/x");
    const patch = modules[1]?.sources[0];
    expect(patch?.type === "patch" && patch.paths).toEqual([folder.join("src/p.diff")]);
  });

  test("refuses files that include each other", () => {
    using folder = new TestFolder();
    folder.write("m.yml", `${head}modules: [a.yml]\n`);
    folder.write("a.yml", "name: a\nmodules: [b.yml]\n");
    folder.write("b.yml", "name: b\nmodules: [a.yml]\n");
    expect(messageOf(folder, "m.yml")).toContain(
      "b.yml:2:11: modules[0]: expected files that do not include each other",
    );
  });

  test("names the line that includes a file which is not there", () => {
    using folder = new TestFolder();
    folder.write("m.yml", `${head}modules:\n  - gone.yml\n`);
    expect(messageOf(folder, "m.yml")).toStartWith(
      "m.yml:6:5: modules[0]: expected the path of a file that can be read",
    );
  });

  test("refuses what it does not carry out instead of leaving it out", () => {
    using folder = new TestFolder();
    folder.write("m.yml", `${head}var: org.example.Var\nmodules: []\n`);
    const error = errorOf(() => loadManifest(folder.join("m.yml")));
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.message).toContain("m.yml:5:6: var: this key is not supported yet");
  });

  test("takes keys that it does not carry out where they ask for nothing", () => {
    using folder = new TestFolder();
    folder.write("m.yml", `${head}sdk-extensions: []\nbuild-runtime: false\ncollection-id: x\nmodules: []\n`);
    expect(loadManifest(folder.join("m.yml")).warnings).toEqual([
      `${folder.join("m.yml")}:7:16: collection-id: this key has no effect`,
    ]);
  });

  test("stops at aliases that multiply without end", () => {
    using folder = new TestFolder();
    const rows = Array.from({ length: 12 }, (_, row) =>
      row === 0
        ? "- &a0 [x, x, x, x, x, x, x, x, x]"
        : `- &a${row} [${Array(9)
            .fill(`*a${row - 1}`)
            .join(", ")}]`,
    );
    folder.write("m.yml", `x-bomb:\n${rows.map((row) => `  ${row}\n`).join("")}${head}modules: []\n`);
    expect(errorOf(() => loadManifest(folder.join("m.yml"))).code).toBe("MANIFEST_INVALID");
  });

  test("stops at text that nests too deep", () => {
    using folder = new TestFolder();
    folder.write("m.json", `{"x-deep": ${"[".repeat(5000)}${"]".repeat(5000)}}`);
    expect(errorOf(() => loadManifest(folder.join("m.json"))).code).toBe("MANIFEST_INVALID");
    folder.write("m.yml", `x-deep: ${"[".repeat(5000)}${"]".repeat(5000)}\n`);
    expect(errorOf(() => loadManifest(folder.join("m.yml"))).code).toBe("MANIFEST_INVALID");
  });
});
