// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../../../src/base/limits.ts";
import { type LayerEntry, LayerStack } from "../../../src/store/image/layers.ts";
import type { FolderNode } from "../../../src/store/image/tree.ts";

const split = (path: string): string[] => path.split("/").filter((name) => name !== "");
const folder = (path: string, mtime = 1): LayerEntry => ({ kind: "folder", path: split(path), mtime });
const link = (path: string, target: string): LayerEntry => ({ kind: "symlink", path: split(path), mtime: 1, target });
const hard = (path: string, target: string): LayerEntry => ({
  kind: "hardlink",
  path: split(path),
  target: split(target),
});
function file(path: string, text = "x"): LayerEntry {
  const content = { size: text.length, digest: text, inline: undefined };
  return { kind: "file", path: split(path), mtime: 1, executable: false, content };
}
const gone = (path: string): LayerEntry => file(path, "");

function stack(...layers: LayerEntry[][]): LayerStack {
  const result = new LayerStack();
  for (const layer of layers) {
    result.beginLayer();
    for (const entry of layer) result.add(entry);
  }
  return result;
}

/** The tree as sorted lines: `a/`, `a/b=CONTENT`, `a/l->TARGET`. */
function show(node: FolderNode, below = ""): string[] {
  const lines: string[] = [];
  for (const [name, child] of node.children) {
    const path = below + name;
    if (child.kind === "folder") lines.push(`${path}/`, ...show(child, `${path}/`));
    else lines.push(child.kind === "symlink" ? `${path}->${child.target}` : `${path}=${child.content.digest}`);
  }
  return lines.sort();
}

const good: Readonly<Record<string, readonly [layers: LayerEntry[][], expected: string[]]>> = {
  "a later layer replaces a file": [
    [[file("a/b", "1")], [file("a/b", "2")]],
    ["a/", "a/b=2"],
  ],
  "parents that are missing are made": [[[file("a/b/c")]], ["a/", "a/b/", "a/b/c=x"]],
  "a folder may come twice": [[[folder("a"), file("a/b"), folder("a")]], ["a/", "a/b=x"]],
  "a file replaces a folder of a lower layer": [[[file("a/b")], [file("a")]], ["a=x"]],
  "a link replaces a folder of a lower layer": [[[file("a/b")], [link("a", "c")]], ["a->c"]],
  "a folder replaces a link of a lower layer": [
    [[link("a", "/etc")], [folder("a"), file("a/b")]],
    ["a/", "a/b=x"],
  ],
  "a folder merges with one of a lower layer": [
    [[file("a/b")], [folder("a"), file("a/c")]],
    ["a/", "a/b=x", "a/c=x"],
  ],
  "a whiteout hides a file": [
    [[file("a/b"), file("a/c")], [gone("a/.wh.b")]],
    ["a/", "a/c=x"],
  ],
  "a whiteout hides a folder": [[[file("a/b")], [gone(".wh.a")]], []],
  "a whiteout of nothing does nothing": [[[file("a")], [gone("b/.wh.c"), gone(".wh.d")]], ["a=x"]],
  "a whiteout does not hide what its own layer brings": [
    [
      [file("a/b", "1"), file("a/c")],
      [file("a/b", "2"), gone(".wh.a")],
    ],
    ["a/", "a/b=2"],
  ],
  "a whiteout before its replacement": [[[file("a/b")], [gone(".wh.a"), file("a", "2")]], ["a=2"]],
  "an opaque whiteout hides all of lower layers": [
    [
      [file("a/b"), file("a/c/d")],
      [folder("a"), file("a/e"), gone("a/.wh..wh..opq")],
    ],
    ["a/", "a/e=x"],
  ],
  "an opaque whiteout first": [
    [[file("a/b")], [gone("a/.wh..wh..opq"), file("a/c")]],
    ["a/", "a/c=x"],
  ],
  "an opaque whiteout of the top": [[[file("a"), file("b/c")], [gone(".wh..wh..opq")]], []],
  "a hard link copies its target": [[[file("a/b", "1"), hard("c", "a/b")]], ["a/", "a/b=1", "c=1"]],
  "a hard link into a lower layer": [[[file("a", "1")], [hard("b", "a"), gone(".wh.a")]], ["b=1"]],
  "a hard link to a link": [[[link("a", "/x"), hard("b", "a")]], ["a->/x", "b->/x"]],
};

const refused: Readonly<Record<string, readonly [layers: LayerEntry[][], message: RegExp]>> = {
  "a parent that is a link": [
    [[link("a", "/etc"), file("a/passwd")]],
    /"a\/passwd": its parent "a" is a symbolic link/,
  ],
  "a parent that is a link of a lower layer": [[[link("a", "b")], [file("a/c")]], /its parent "a" is a symbolic link/],
  "a parent that is a file": [[[file("a"), file("a/b")]], /its parent "a" is a file/],
  "a folder below a link": [[[link("a", "/etc"), folder("a/b")]], /symbolic link/],
  "a whiteout below a link": [[[link("a", "/etc")], [gone("a/.wh.passwd")]], /symbolic link/],
  "a file twice": [[[file("a"), file("a")]], /"a": the layer has this name twice/],
  "a file over a folder of the same layer": [[[folder("a"), file("a")]], /twice/],
  "a file over a folder with new files": [[[file("a/b")], [file("a/c"), file("a")]], /twice/],
  "a folder over a file of the same layer": [[[file("a"), folder("a")]], /twice/],
  "a link over a file of the same layer": [[[file("a"), link("a", "b")]], /twice/],
  "a hard link to nothing": [[[hard("a", "etc/passwd")]], /"etc\/passwd", which is not in the image/],
  "a hard link to what comes later": [[[hard("a", "b"), file("b")]], /not in the image/],
  "a hard link to what is hidden": [[[file("b")], [gone(".wh.b"), hard("a", "b")]], /not in the image/],
  "a hard link to a folder": [[[folder("a"), hard("b", "a")]], /which is a folder/],
  "a hard link through a link": [[[link("a", "/"), hard("b", "a/etc/passwd")]], /not in the image/],
  "a whiteout of the parent": [[[gone("a/.wh...")]], /not a whiteout/],
  "a whiteout of the folder itself": [[[gone("a/.wh..")]], /not a whiteout/],
  "an empty whiteout": [[[gone("a/.wh.")]], /not a whiteout/],
  "an unknown kind of whiteout": [[[gone(".wh..wh.plnk")]], /not a whiteout/],
  "a whiteout with content": [[[file(".wh.a", "x")]], /empty regular file/],
  "a folder named like a whiteout": [[[folder(".wh.a")]], /empty regular file/],
  "a link named like a whiteout": [[[link(".wh.a", "b")]], /empty regular file/],
  "a path through a whiteout": [[[file(".wh.a/b")]], /kept for whiteouts/],
  "a file as the top": [[[file("")]], /the top must be a folder/],
};

describe("LayerStack", () => {
  for (const [name, [layers, expected]] of Object.entries(good)) {
    test(`add() follows the rules when ${name}`, () => expect(show(stack(...layers).root)).toEqual(expected));
  }
  for (const [name, [layers, message]] of Object.entries(refused)) {
    test(`add() refuses ${name}`, () => {
      expect(() => stack(...layers)).toThrow(expect.objectContaining({ code: "TAR_UNSAFE" }));
      expect(() => stack(...layers)).toThrow(message);
    });
  }

  test("add() takes times from the last layer that has the folder", () => {
    const { root } = stack([folder("", 5), folder("a", 6)], [folder("a", 7)]);
    expect([root.mtime, root.children.get("a")?.mtime]).toEqual([5, 7]);
  });

  test("add() gives the same tree whatever the order of a layer's whiteouts", () => {
    const names = fc.constantFrom("a", "b", "c");
    const path = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    const lower = fc.uniqueArray(path, { maxLength: 6 });
    fc.assert(
      fc.property(lower, lower, fc.uniqueArray(path, { maxLength: 3 }), (below, above, hidden) => {
        const files = (paths: string[]) =>
          paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`))).map((one) => file(one));
        const replaced = files(above).filter(
          (entry) => !files(below).some((old) => entry.path.join("/").startsWith(`${old.path.join("/")}/`)),
        );
        const whiteouts = hidden
          .filter((one) => !files(below).some((old) => one.startsWith(`${old.path.join("/")}/`)))
          .filter((one) => !replaced.some((entry) => one.startsWith(`${entry.path.join("/")}/`)))
          .map((one) => gone(one.replace(/([^/]+)$/, ".wh.$1")));
        const first = show(stack(files(below), [...whiteouts, ...replaced]).root).filter((line) => line.includes("="));
        const last = show(stack(files(below), [...replaced, ...whiteouts]).root).filter((line) => line.includes("="));
        expect(last).toEqual(first);
      }),
    );
  });
});

test("LayerStack refuses more entries than an image may have, of all its layers together", () => {
  const result = new LayerStack();
  const again = folder("files");
  for (let layer = 0; layer < 2; layer++) {
    result.beginLayer();
    for (let at = 0; at < limits.imageEntries / 2; at++) result.add(again);
  }
  expect(() => result.add(again)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
});
