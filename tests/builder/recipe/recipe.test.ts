// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { listPackages } from "../../../src/builder/recipe/bootstrap.ts";
import { loadRecipe } from "../../../src/builder/recipe/decode.ts";
import { hostMirrors } from "../../../src/builder/recipe/mirrors.ts";
import { toRuntimeTree } from "../../../src/builder/recipe/transform.ts";
import { addParents, type Tree, type TreeEntry, textContent } from "../../../src/builder/tree/types.ts";
import { errorOf, TestFolder } from "../support.ts";

const head = 'id: org.example.Platform\nbranch: "1"\nsuite: bookworm\npackages: [libc6]\n';

function recipe(more = "") {
  using folder = new TestFolder();
  return loadRecipe(folder.write("r.yml", head + more));
}

describe("loadRecipe()", () => {
  test("reads a recipe", () => {
    const read = recipe("sdk: org.example.Sdk\nsdk-packages: [gcc, 'g++']\nmirror: http://deb.example.org/debian\n");
    expect([read.sdk, read.sdkPackages, read.mirrors]).toEqual([
      "org.example.Sdk",
      ["gcc", "g++"],
      ["http://deb.example.org/debian"],
    ]);
  });

  test.each([
    [
      "sdk-packages: ['a; rm -rf /']\n",
      'r.yml:5:16: sdk-packages[0]: expected the name of a package; found "a; rm -rf /"',
    ],
    ["sdk-packages: [--force]\n", "r.yml:5:16: sdk-packages[0]: expected the name of a package"],
    ["mirror: ftp://x\n", "r.yml:5:9: mirror: expected the address of a mirror"],
    ["sdk: Sdk\n", "r.yml:5:6: sdk: expected an id"],
    ["sweet: x\n", "r.yml:5:1: sweet: expected a known key"],
  ])("refuses %p", (more, message) => {
    using folder = new TestFolder();
    const path = folder.write("r.yml", head + more);
    expect(errorOf(() => loadRecipe(path)).message.replace(`${folder.path}/`, "")).toStartWith(message);
  });
});

describe("hostMirrors()", () => {
  test("takes the suite and its updates out of both forms of files, and no others", () => {
    using folder = new TestFolder();
    folder.write(
      "sources.list",
      "# deb http://old bookworm main\ndeb [arch=amd64] http://one/debian bookworm main # x\ndeb-src http://one/debian bookworm main\n",
    );
    folder.write(
      "sources.list.d/debian.sources",
      "Types: deb deb-src\n# a comment\nURIs: http://two/debian\nSuites: bookworm bookworm-updates trixie\nComponents: main contrib\nSigned-By: /usr/share/keyrings/k.gpg\n\nTypes: deb\nURIs: http://off\nSuites: bookworm\nComponents: main\nEnabled: no\n",
    );
    folder.write("sources.list.d/other.list", "deb https://third.example.org stable main\n");
    folder.write("sources.list.d/saved.list.save", "deb http://saved bookworm main\n");
    expect(hostMirrors("bookworm", folder.path)).toEqual([
      "deb [arch=amd64] http://one/debian bookworm main",
      "deb [signed-by=/usr/share/keyrings/k.gpg] http://two/debian bookworm main contrib",
      "deb [signed-by=/usr/share/keyrings/k.gpg] http://two/debian bookworm-updates main contrib",
    ]);
  });
});

describe("listPackages()", () => {
  test("lists what is installed, in order", () => {
    const stanza = (name: string, state: string): string =>
      `Package: ${name}\nStatus: install ok ${state}\nArchitecture: amd64\nVersion: 1-2\nDepends: x\n`;
    const status = [stanza("b", "installed"), stanza("c", "config-files"), stanza("a", "installed")].join("\n");
    expect(listPackages(status)).toBe("a 1-2 amd64\nb 1-2 amd64\n");
  });
});

describe("toRuntimeTree()", () => {
  function runtime(entries: Readonly<Record<string, TreeEntry | string>>, more = "", cleanup: readonly string[] = []) {
    const tree: Tree = new Map();
    for (const [path, entry] of Object.entries(entries)) {
      addParents(tree, path);
      tree.set(
        path,
        typeof entry === "string" ? { kind: "file", executable: false, content: textContent(entry) } : entry,
      );
    }
    return toRuntimeTree(tree, recipe(more), cleanup, "list\n");
  }
  const link = (target: string): TreeEntry => ({ kind: "symlink", target });

  test("moves usr to files and etc to files/etc, and leaves out what belongs to a system", () => {
    const tree = runtime({
      "usr/lib/x": "",
      "etc/ssl/a": "",
      "etc/passwd": "",
      "etc/apt/sources.list": "",
      "var/lib/x": "",
      "usr/local/bin/x": "",
    });
    expect([...tree.keys()].filter((path) => tree.get(path)?.kind === "file")).toEqual([
      "files/lib/x",
      "files/etc/ssl/a",
      "files/manifest.dpkg",
    ]);
  });

  test("drops documentation but keeps licences", () => {
    const files = { "usr/share/doc/a/README": "", "usr/share/doc/a/copyright": "", "usr/share/man/man1/a.1": "" };
    expect([...runtime(files).keys()]).toContain("files/share/doc/a/copyright");
    expect([...runtime(files).keys()]).not.toContain("files/share/doc/a/README");
    expect([...runtime(files, "docs: true\n").keys()]).toContain("files/share/man/man1/a.1");
  });

  test("points links past /etc/alternatives, and out of /etc to where they led", () => {
    const tree = runtime({
      "usr/bin/cc": link("/etc/alternatives/cc"),
      "etc/alternatives/cc": link("/usr/bin/gcc"),
      "etc/os-release": link("../usr/lib/os-release"),
      "etc/ssl/certs/a.pem": link("../b.pem"),
    });
    expect(tree.get("files/bin/cc")).toEqual(link("gcc"));
    expect(tree.get("files/etc/os-release")).toEqual(link("/usr/lib/os-release"));
    expect(tree.get("files/etc/ssl/certs/a.pem")).toEqual(link("../b.pem"));
  });

  test("has bin/ldconfig and the folders of extensions", () => {
    const tree = runtime({ "usr/sbin/ldconfig": "x" }, "extensions:\n  org.example.GL: {directory: lib/gl}\n", [
      "/sbin/other",
    ]);
    expect(tree.get("files/bin/ldconfig")).toEqual(link("../sbin/ldconfig"));
    expect(tree.get("files/lib/gl")).toEqual({ kind: "directory" });
  });

  test("keeps hard links between files, whichever of them is dropped", () => {
    const tree = runtime({
      "usr/local/a": "x",
      "usr/lib/b": { kind: "hardlink", to: "usr/local/a" },
      "usr/lib/c": { kind: "hardlink", to: "usr/local/a" },
    });
    expect(tree.get("files/lib/b")).toMatchObject({ kind: "file" });
    expect(tree.get("files/lib/c")).toEqual({ kind: "hardlink", to: "files/lib/b" });
  });
});
