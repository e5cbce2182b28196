// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { parseToc } from "../../../src/formats/zstd-chunked/toc-parse.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const other = `sha256:${"cd".repeat(32)}`;
const plain = { type: "reg", name: "usr/a", size: 5, mode: 420, digest, offset: 100, endOffset: 120 };
const first = { ...plain, name: "b", size: 10, endOffset: 200, chunkSize: 4, chunkDigest: digest };
const second = { type: "chunk", name: "b", offset: 150, chunkSize: 6, chunkOffset: 4, chunkDigest: other };
const end = 1000;

const parse = (...entries: readonly object[]) => parseText(JSON.stringify({ version: 1, entries }));
const parseText = (text: string) => parseToc(Buffer.from(text), end);

test("parseToc() reads every kind of entry", () => {
  const { entries, tarSplitDigest } = parseText(
    JSON.stringify({
      version: 1,
      future: [{ deep: null }, 1.5e3, "\u00e9"],
      entries: [
        {
          type: "dir",
          name: "usr/",
          mode: 0o40755,
          modtime: "2023-11-14T23:13:20.5+01:00",
          accesstime: "0001-01-01T00:00:00Z",
        },
        { ...plain, xattrs: { "user.a": "AAE=", "user.A": "" }, uid: 4_000_000_000, later: true },
        { ...first, offset: 120, digest: other },
        second,
        { type: "symlink", name: "usr/l", linkName: "/any/../where", modtime: "0001-01-01T00:00:00Z" },
        { type: "hardlink", name: "usr/h", linkName: "./usr/a" },
        { type: "char", name: "usr/c", devMajor: 1, devMinor: 3 },
        { type: "block", name: "usr/d", devMajor: 8 },
        { type: "fifo", name: "usr/f" },
        { type: "reg", name: "usr/empty", modtime: "1969-12-31T23:59:59.25Z" },
      ],
      tarSplitDigest: digest,
    }),
  );
  expect(tarSplitDigest).toBe(digest);
  expect(entries.map(({ type, path }) => `${type} ${path}`)).toEqual([
    "directory usr/",
    "file usr/a",
    "file b",
    "symlink usr/l",
    "hardlink usr/h",
    "character usr/c",
    "block usr/d",
    "fifo usr/f",
    "file usr/empty",
  ]);
  expect(entries[0]).toMatchObject({ mode: 0o755, mtime: { seconds: 1_700_000_000, nanoseconds: 500_000_000 } });
  expect(entries[1]).toMatchObject({ uid: 4_000_000_000, mtime: { seconds: 0, nanoseconds: 0 } });
  expect([...(entries[1]?.xattrs ?? [])]).toEqual([
    ["user.a", new Uint8Array([0, 1])],
    ["user.A", new Uint8Array(0)],
  ]);
  expect(entries[1]?.chunks).toEqual([{ offset: 0, size: 5, digest, start: 100, end: 120, hole: false }]);
  expect(entries[2]?.digest).toBe(other);
  expect(entries[8]?.mtime).toEqual({ seconds: -1, nanoseconds: 250_000_000 });
});

test("parseToc() gives a chunk the place up to the next one", () => {
  const { entries } = parse({ ...first, offset: 120, chunkType: "zeros" }, second);
  expect(entries[0]?.chunks).toEqual([
    { offset: 0, size: 4, digest, start: 120, end: 150, hole: true },
    { offset: 4, size: 6, digest: other, start: 150, end: 200, hole: false },
  ]);
});

describe("parseToc() refuses", () => {
  const lies: readonly (readonly [string, readonly object[]])[] = [
    ["a name with ..", [{ ...plain, name: "usr/../../a" }]],
    ["an absolute name", [{ ...plain, name: "/usr/a" }]],
    ["an empty name", [{ ...plain, name: "" }]],
    ["a name with NUL", [{ ...plain, name: "a\0b" }]],
    ["a name of 256 bytes", [{ ...plain, name: "a".repeat(256) }]],
    ["a file that is the root", [{ ...plain, name: "./" }]],
    ["a file with the name of a folder", [{ ...plain, name: "usr/a/" }]],
    ["a path that is there twice", [plain, { type: "symlink", name: "./usr//a", linkName: "x" }]],
    [
      "a folder that is there twice",
      [
        { type: "dir", name: "a" },
        { type: "dir", name: "a/" },
      ],
    ],
    ["an unknown type", [{ ...plain, type: "socket" }]],
    ["no type", [{ name: "a" }]],
    ["a hard link that leads out", [{ type: "hardlink", name: "a", linkName: "../b" }]],
    ["a hard link to the root", [{ type: "hardlink", name: "a", linkName: "." }]],
    ["a link without a target", [{ type: "symlink", name: "a" }]],
    ["a file with a target", [{ ...plain, linkName: "x" }]],
    ["a symlink with a size", [{ ...plain, type: "symlink", linkName: "x" }]],
    ["a file with device numbers", [{ ...plain, devMinor: 1 }]],
    ["a file without a digest", [{ ...plain, digest: undefined }]],
    ["a digest of another algorithm", [{ ...plain, digest: `sha512:${"a".repeat(128)}` }]],
    ["a digest in capitals", [{ ...plain, digest: digest.toUpperCase().replace("SHA", "sha") }]],
    ["a digest that is too short", [{ ...plain, digest: digest.slice(0, -1) }]],
    ["an empty file with a place", [{ type: "reg", name: "a", offset: 1, endOffset: 9 }]],
    ["an empty file with a digest of something", [{ type: "reg", name: "a", digest }]],
    ["a place past the archive", [{ ...plain, endOffset: end + 1 }]],
    ["a place that ends before it starts", [{ ...plain, endOffset: 99 }]],
    ["an empty place", [{ ...plain, endOffset: 100 }]],
    ["no end of a place", [{ ...plain, endOffset: undefined }]],
    ["places that overlap", [plain, { ...plain, name: "b", offset: 119, endOffset: 140 }]],
    ["the place of another file", [plain, { ...plain, name: "b" }]],
    ["a negative size", [{ ...plain, size: -1 }]],
    ["a fractional size", [{ ...plain, size: 1.5 }]],
    ["a size past 53 bits", [{ ...plain, size: 2 ** 60 }]],
    ["a size that is a text", [{ ...plain, size: "5" }]],
    ["a mode past 16 bits", [{ ...plain, mode: 0o200000 }]],
    ["a uid past 32 bits", [{ ...plain, uid: 2 ** 32 }]],
    ["a time that is none", [{ ...plain, modtime: "2023-02-30T00:00:00Z" }]],
    ["a time without an offset", [{ ...plain, modtime: "2023-02-01T00:00:00" }]],
    ["an attribute that is not base64", [{ ...plain, xattrs: { "user.a": "%" } }]],
    ["an attribute without a name", [{ ...plain, xattrs: { "": "" } }]],
    ["a chunk without a file", [second]],
    ["a chunk of another file", [first, { ...second, name: "c" }]],
    ["a chunk of a file that is over", [first, second, plain, second]],
    ["chunks with a gap", [first, { ...second, chunkOffset: 5, chunkSize: 5 }]],
    [
      "chunks in another order",
      [
        { ...first, chunkOffset: 6 },
        { ...second, chunkOffset: 0 },
      ],
    ],
    ["chunks that are too few", [{ ...first, size: 11 }, second]],
    ["chunks that are too many", [{ ...first, size: 9 }, second]],
    ["an empty chunk", [first, { ...second, chunkSize: 0 }, { ...second, offset: 160 }]],
    ["a chunk without a digest", [first, { ...second, chunkDigest: undefined }]],
    ["a first chunk without a digest", [{ ...first, chunkDigest: undefined }, second]],
    ["a chunk of unknown type", [first, { ...second, chunkType: "ones" }]],
    ["a chunk before the one before it", [first, { ...second, offset: 90 }]],
    ["a chunk past its file", [first, { ...second, offset: 200 }]],
    ["only one chunk, with another size", [{ ...plain, chunkSize: 4 }]],
    ["only one chunk, with another digest", [{ ...plain, chunkSize: 5, chunkDigest: other }]],
  ];
  test.each(lies)("%s", (_, entries) => {
    expect(() => parse(...entries)).toThrow(
      expect.objectContaining({ name: "DowelError", code: "ZSTD_CHUNKED_INVALID" }),
    );
  });

  const entry = JSON.stringify(plain);
  test.each([
    ["another version", `{"version":2,"entries":[]}`],
    ["no version", `{"entries":[]}`],
    ["no entries", `{"version":1}`],
    ["a second document", `{"version":1,"entries":[]}{}`],
    ["entries twice", `{"version":1,"entries":[],"entries":[]}`],
    ["a key twice", `{"version":1,"entries":[${entry.replace("{", '{"size":5,')}]}`],
    ["a key in another case", `{"version":1,"entries":[${entry.replace("name", "Name")}]}`],
    ["a key in another case beside it", `{"version":1,"entries":[${entry.replace("{", '{"SIZE":7,')}]}`],
    ["a key that folds to one", `{"version":1,"entries":[${entry.replace("size", "ſize")}]}`],
    ["an unknown key twice", `{"version":1,"entries":[${entry.replace("{", '{"x":1,"X":2,')}]}`],
    ["an attribute twice", `{"version":1,"entries":[${entry.replace("{", '{"xattrs":{"user.a":"","user.a":""},')}]}`],
    ["a lone surrogate", `{"version":1,"entries":[{"type":"dir","name":"\\ud800"}]}`],
    ["a control character", `{"version":1,"entries":[{"type":"dir","name":"a\nb"}]}`],
    ["an unknown escape", `{"version":1,"entries":[{"type":"dir","name":"\\x41"}]}`],
    ["a comma at the end", `{"version":1,"entries":[${entry},]}`],
    ["a number with a leading zero", `{"version":01,"entries":[]}`],
    ["an array", "[]"],
    ["nothing", ""],
    ["deep nesting", `{"version":1,"x":${"[".repeat(5000)}${"]".repeat(5000)},"entries":[]}`],
    ["a digest of the tar-split data that is none", `{"version":1,"entries":[],"tarSplitDigest":"x"}`],
  ])("%s", (_, text) => {
    expect(() => parseText(text)).toThrow(
      expect.objectContaining({ name: "DowelError", code: "ZSTD_CHUNKED_INVALID" }),
    );
  });

  test("bytes that are not UTF-8", () => {
    const text = Buffer.from(`{"version":1,"entries":[{"type":"dir","name":"\xff"}]}`, "latin1");
    expect(() => parseToc(text, end)).toThrow(expect.objectContaining({ code: "ZSTD_CHUNKED_INVALID" }));
  });

  test("every beginning of a table", () => {
    const text = JSON.stringify({ version: 1, entries: [plain, first, second] });
    for (let length = 0; length < text.length; length++) {
      expect(() => parseText(text.slice(0, length))).toThrow(expect.objectContaining({ code: "ZSTD_CHUNKED_INVALID" }));
    }
  });
});

test("parseToc() stops at the limit of entries, with little memory", () => {
  const line = `{"type":"chunk","name":"a","chunkSize":1},`;
  const file = `{"type":"reg","name":"a","size":10000000,"digest":"${digest}"},`;
  const count = Math.floor((limits.chunkedTableBytes - 1000) / line.length);
  const text = Buffer.concat([Buffer.from(`{"version":1,"entries":[${file}`), Buffer.alloc(count * line.length, line)]);
  expect(() => parseToc(text, end)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  expect(() => parseToc(new Uint8Array(limits.chunkedTableBytes + 1), end)).toThrow(
    expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
  );
  expect(() =>
    parse({ ...plain, size: limits.layerBytes }, { ...plain, name: "b", offset: 120, endOffset: 130 }),
  ).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
});
