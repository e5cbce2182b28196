// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { encodeHeader, padding } from "../../../src/formats/tar/write.ts";
import { checkTocAgainstTarSplit } from "../../../src/formats/zstd-chunked/crosscheck.ts";
import type { TarSplitEntry } from "../../../src/formats/zstd-chunked/tarsplit.ts";
import type { Toc, TocEntry } from "../../../src/formats/zstd-chunked/toc.ts";
import { entry, file, noise, openLayer, writeLayer } from "./support.ts";

const { blob, layer } = await writeLayer([
  { entry: entry("usr", { type: "directory" }) },
  file("usr/a", "hello", { xattrs: new Map([["user.a", Buffer.from("1")]]) }),
  file("usr/large", noise(1_500_000)),
  { entry: entry("usr/l", { type: "symlink", linkName: "a" }) },
  { entry: entry("usr/c", { type: "character", devMajor: 1, devMinor: 3 }) },
]);
const { toc, tarSplit } = openLayer(blob, layer.annotations);
const split: TarSplitEntry[] = [];
for await (const item of tarSplit()) split.push(item);

async function* streamed(entries: readonly TarSplitEntry[]): AsyncGenerator<TarSplitEntry> {
  yield* entries;
}

const check = (table: Toc, entries: readonly TarSplitEntry[]) => checkTocAgainstTarSplit(table, streamed(entries));
const withEntry = (index: number, fields: Partial<TocEntry>): Toc => ({
  ...toc,
  entries: toc.entries.map((item, at) => (at === index ? { ...item, ...fields } : item)),
});

test("checkTocAgainstTarSplit() finds nothing in what belongs together", async () => {
  await check(toc, split);
});

describe("checkTocAgainstTarSplit() refuses a table of contents that differs in", () => {
  test.each<[string, Toc]>([
    ["a path", withEntry(1, { path: "usr/b" })],
    ["a path without its slash", withEntry(0, { path: "usr" })],
    ["a type", withEntry(3, { type: "hardlink" })],
    ["a mode", withEntry(1, { mode: 0o4755 })],
    ["a uid", withEntry(1, { uid: 1 })],
    ["a gid", withEntry(1, { gid: 1 })],
    ["a size", withEntry(1, { size: 6 })],
    ["a target", withEntry(3, { linkName: "b" })],
    ["a time", withEntry(1, { mtime: { seconds: 1_700_000_000, nanoseconds: 1 } })],
    ["a device", withEntry(4, { devMinor: 5 })],
    ["an attribute", withEntry(1, { xattrs: new Map([["user.a", Buffer.from("2")]]) })],
    ["a missing attribute", withEntry(1, { xattrs: new Map() })],
    ["an attribute's name", withEntry(1, { xattrs: new Map([["user.b", Buffer.from("1")]]) })],
    ["a missing entry", { ...toc, entries: toc.entries.slice(0, -1) }],
    ["an entry more", { ...toc, entries: [...toc.entries, ...toc.entries.slice(0, 1)] }],
    ["the order", { ...toc, entries: [...toc.entries].reverse() }],
  ])("%s", async (_, table) => {
    await expect(check(table, split)).rejects.toMatchObject({ name: "DowelError", code: "ZSTD_CHUNKED_INVALID" });
  });
});

describe("checkTocAgainstTarSplit() refuses tar-split data", () => {
  const hello = split.findIndex((item) => item.kind === "body" && item.path === "usr/a");
  const replaced = (index: number, ...items: readonly TarSplitEntry[]) => split.toSpliced(index, 1, ...items);
  const body = (path: string, size: number): TarSplitEntry => ({ kind: "body", path, size, crc: new Uint8Array(8) });
  const bytes = (text: Uint8Array): TarSplitEntry => ({ kind: "bytes", bytes: text });

  test.each<[string, readonly TarSplitEntry[]]>([
    ["with a body of another size", replaced(hello, body("usr/a", 6))],
    ["with a body of another name", replaced(hello, body("usr/b", 5))],
    ["without a body", replaced(hello)],
    ["with the body written out", replaced(hello, bytes(Buffer.from("hello")))],
    [
      "with the body written out, and named behind it",
      replaced(hello, bytes(Buffer.concat([Buffer.from("howdy"), padding(5)])), body("usr/a", 5)),
    ],
    ["with a body in two parts", replaced(hello, body("usr/a", 2), body("usr/a", 3))],
    ["with a body more", [...split, body("more", 0)]],
    ["without the body of an empty entry", split.filter((item) => item.kind === "bytes" || item.path !== "usr/")],
    ["with a header more", [bytes(encodeHeader(entry("more"))), body("more", 0), ...split]],
  ])("%s", async (_, entries) => {
    await expect(check(toc, entries)).rejects.toMatchObject({ name: "DowelError" });
  });

  test("that ends too early, as what was made so and not as what came in part", async () => {
    const error = { code: "ZSTD_CHUNKED_INVALID", message: expect.stringContaining("usr/large") };
    await expect(check(toc, split.slice(0, hello + 2))).rejects.toMatchObject(error);
  });
});
