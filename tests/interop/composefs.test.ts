// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { formatDump } from "../../src/formats/composefs/dump-format.ts";
import { parseDump } from "../../src/formats/composefs/dump-parse.ts";
import { readComposefs } from "../../src/formats/composefs/read.ts";
import { writeComposefs } from "../../src/formats/composefs/write.ts";
import { imageCases } from "../formats/composefs/cases.ts";
import { scanTree } from "../formats/composefs/scan.ts";
import { makeSourceTree } from "../formats/composefs/source-tree.ts";
import { treeArbitrary } from "../formats/composefs/trees.ts";
import { type ComposefsTools, findComposefsTools } from "./mkcomposefs.ts";

const tools = await findComposefsTools();

if (typeof tools === "string") {
  test.skip(`beside mkcomposefs (it is not to be had here: ${tools})`, () => {});
} else {
  describe("beside mkcomposefs", () => compare(tools));
}

function compare(peer: ComposefsTools): void {
  let folder = "";
  let source = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dowel-mkcomposefs-"));
    source = join(folder, "source");
    mkdirSync(source);
    makeSourceTree(source);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const ofDump = (dump: string, version: number): Uint8Array => {
    const path = join(folder, "of-dump");
    peer("mkcomposefs", ["--from-file", `--min-version=${version}`, "--max-version=1", "-", path], dump);
    return readFileSync(path);
  };
  const same = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right) === 0;

  for (const version of [0, 1] as const) {
    for (const { name, dump } of imageCases) {
      test(`writeComposefs() gives the same bytes in version ${version} for ${name}`, () => {
        expect(same(writeComposefs(parseDump(dump), { version }), ofDump(dump, version))).toBe(true);
      });
    }

    test(`writeComposefs() gives the same bytes in version ${version} for trees of every kind`, () => {
      const isSame = (dump: string) => same(writeComposefs(parseDump(dump), { version }), ofDump(dump, version));
      fc.assert(
        fc.property(treeArbitrary, (root) => isSame(formatDump(root))),
        { numRuns: 100 },
      );
    });

    test(`writeComposefs() gives the same bytes in version ${version} for a folder`, () => {
      const path = join(folder, "of-folder");
      peer("mkcomposefs", [`--min-version=${version}`, "--max-version=1", source, path]);
      expect(same(writeComposefs(scanTree(source, true).root, { version }), readFileSync(path))).toBe(true);
    });
  }

  const show = (image: Uint8Array): string => {
    const path = join(folder, "shown");
    writeFileSync(path, image);
    return Buffer.from(peer("composefs-info", ["dump", path])).toString();
  };

  test("readComposefs() and formatDump() show an image as composefs-info does", () => {
    const image = writeComposefs(scanTree(source).root, { version: 1 });
    // The sizes of folders are those of their entries there, and nothing here.
    const lines = (dump: string) => dump.replace(/^(\S+) \d+ 4/gm, "$1 0 4").split("\n");
    expect(lines(formatDump(readComposefs(image).root))).toEqual(lines(show(image)));
  });

  test("they show a folder with a whiteout as composefs-info does, and make the same image of that again", () => {
    const folder = (path: string, xattrs: string) =>
      `${path} 0 40755 2 0 0 0 1.0 - - -${xattrs}\n${path}/gone 0 20644 1 0 0 0 1.0 - - -\n`;
    // Some of the xattrs lie in their inode, others are shared.
    const plain = `/ 0 40755 4 0 0 0 1.0 - - -\n${folder("/dir", " trusted.a=1 user.a=b")}${folder("/other", " security.b=1 trusted.a=1")}`;
    const image = writeComposefs(parseDump(plain), { version: 1 });
    const { root, version } = readComposefs(image, { keepOpaque: true });
    const dump = formatDump(root, { imageVersion: version });
    expect(dump).toContain("trusted.overlay.opaque=x");
    expect(dump).toBe(show(image));
    expect(same(writeComposefs(parseDump(dump), { version: 1 }), image)).toBe(true);
    expect(same(ofDump(dump, 1), image)).toBe(true);
  });
}
