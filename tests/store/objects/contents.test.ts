// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { hash } from "node:crypto";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ContentIndex } from "../../../src/store/objects/contents.ts";
import { TestFolder } from "../images.ts";

test("ContentIndex.open() makes no database where a link leads", () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const elsewhere = join(folder.path, "elsewhere");
  symlinkSync(elsewhere, join(installation.path, "index.sqlite"));
  using index = ContentIndex.open(installation);
  expect(index).toBeUndefined();
  expect(existsSync(elsewhere)).toBe(false);
});

const digests = Array.from({ length: 3000 }, (_, at) => hash("sha256", `${at}`, "hex"));

/** An index of `digests`, in a file of many pages. */
function fill(installation: Parameters<typeof ContentIndex.open>[0]): string {
  using index = ContentIndex.open(installation);
  for (const sha256 of digests) index?.addContent(sha256, { size: 100, digest: sha256, inline: undefined });
  index?.save();
  return join(installation.path, "index.sqlite");
}

/** What a power cut leaves of a file of which not everything was written. */
const cuts: Readonly<Record<string, (bytes: Buffer) => Uint8Array>> = {
  "cut short": (bytes) => bytes.subarray(0, 8192),
  "with pages that were never written": (bytes) => bytes.fill(0, 8192),
  "with pages of something else": (bytes) => bytes.fill("something else ", 8192),
};

test.each(Object.keys(cuts))("ContentIndex finds nothing wrong in a file %s, and the next one is made anew", (name) => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const path = fill(installation);
  writeFileSync(path, cuts[name]?.(readFileSync(path)) ?? "");
  {
    using index = ContentIndex.open(installation);
    const found = digests.filter((sha256) => index?.find(sha256) !== undefined);
    expect(found.length).toBeLessThan(digests.length);
    for (const sha256 of found) expect(index?.find(sha256)?.digest).toBe(sha256);
  }
  fill(installation);
  expect(ContentIndex.isSound(installation)).toBe(true);
  using index = ContentIndex.open(installation);
  expect(digests.every((sha256) => index?.find(sha256)?.digest === sha256)).toBe(true);
});

function open(installation: Parameters<typeof ContentIndex.open>[0]): ContentIndex {
  const index = ContentIndex.open(installation);
  if (index === undefined) throw new Error("no index");
  return index;
}

test("ContentIndex finds what was added last, few rows or many at a time, and nothing that was forgotten", () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const many = Array.from({ length: 9000 }, (_, at) => hash("sha256", `many ${at}`, "hex"));
  const add = (index: ContentIndex, all: readonly string[], size: number): void => {
    for (const sha256 of all) {
      index.addContent(sha256, { size, digest: sha256, inline: undefined });
      index.addChunk(sha256, { object: sha256, offset: size, size });
    }
    index.save();
  };
  {
    using index = open(installation);
    expect(index.isEmpty).toBe(true);
    add(index, many.slice(0, 10), 1);
    expect(index.isEmpty).toBe(false);
    add(index, many, 2);
    add(index, many.slice(0, 20), 3);
    index.forget(many[0] ?? "");
    index.forget(many[8999] ?? "");
  }
  using index = open(installation);
  const expected = (at: number): number | undefined => (at === 0 || at === 8999 ? undefined : at < 20 ? 3 : 2);
  expect(many.map((sha256) => index.find(sha256)?.size)).toEqual(many.map((_, at) => expected(at)));
  expect(many.map((sha256) => index.findChunk(sha256)?.offset)).toEqual(many.map((_, at) => (at < 20 ? 3 : 2)));
  expect(ContentIndex.isSound(installation)).toBe(true);
});
