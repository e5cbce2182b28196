// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { formatDump } from "../../../src/formats/composefs/dump-format.ts";
import { readComposefs } from "../../../src/formats/composefs/read.ts";
import { fsVerityDigest } from "../../../src/formats/fsverity/digest.ts";

interface Raw {
  readonly mode: number;
  readonly layout: number;
  readonly union?: number;
  readonly size?: number;
  readonly nlink?: number;
  readonly xattrs?: readonly (readonly [prefix: number, suffix: string, value: Uint8Array])[];
  /** What stands behind the inode, where the numbers of all inodes are known. */
  readonly tail?: (nids: readonly number[]) => Uint8Array;
}

function xattrArea(xattrs: Raw["xattrs"] = []): Buffer {
  if (xattrs.length === 0) return Buffer.alloc(0);
  const entries = xattrs.map(([prefix, suffix, value]) => {
    const entry = Buffer.alloc(Math.ceil((4 + suffix.length + value.length) / 4) * 4);
    entry[0] = suffix.length;
    entry[1] = prefix;
    entry.writeUInt16LE(value.length, 2);
    entry.write(suffix, 4);
    entry.set(value, 4 + suffix.length);
    return entry;
  });
  return Buffer.concat([Buffer.alloc(12), ...entries]);
}

/** An image of version 2 of these inodes, the root first. */
function image(inodes: readonly Raw[]): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.writeUInt32LE(0xd078629a, 0);
  bytes.writeUInt32LE(1, 4);
  bytes.writeUInt32LE(2, 12);
  bytes.writeUInt32LE(0xe0f5e1e2, 1024);
  bytes.writeUInt32LE(6, 1032);
  bytes[1036] = 12;
  bytes.writeUInt16LE(36, 1038);
  bytes.writeBigUInt64LE(BigInt(inodes.length), 1040);
  bytes.writeUInt32LE(1, 1060);
  const nids: number[] = [];
  let place = 1152;
  for (const inode of inodes) {
    nids.push(place / 32);
    const tail = inode.tail?.(inodes.map(() => 0)).length ?? 0;
    place += Math.ceil((64 + xattrArea(inode.xattrs).length + tail) / 32) * 32;
  }
  for (const [index, inode] of inodes.entries()) {
    const at = (nids[index] ?? 0) * 32;
    const area = xattrArea(inode.xattrs);
    const tail = inode.tail?.(nids) ?? new Uint8Array(0);
    bytes.writeUInt16LE((inode.layout << 1) | 1, at);
    bytes.writeUInt16LE(area.length === 0 ? 0 : (area.length - 12) / 4 + 1, at + 2);
    bytes.writeUInt16LE(inode.mode, at + 4);
    bytes.writeBigUInt64LE(BigInt(inode.size ?? tail.length), at + 8);
    bytes.writeUInt32LE(inode.union ?? 0, at + 16);
    bytes.writeUInt32LE(nids[index] ?? 0, at + 20);
    bytes.writeUInt32LE(inode.nlink ?? 1, at + 44);
    bytes.set(area, at + 64);
    bytes.set(tail, at + 64 + area.length);
  }
  return bytes;
}

/** The entries of a folder: name, index of its inode, file type. */
function entries(...list: readonly (readonly [string, number, number])[]): (nids: readonly number[]) => Uint8Array {
  return (nids) => {
    const names = list.map(([name]) => name).join("");
    const bytes = Buffer.alloc(12 * list.length + names.length);
    let name = 12 * list.length;
    for (const [index, [text, inode, type]] of list.entries()) {
      bytes.writeBigUInt64LE(BigInt(nids[inode] ?? 0), 12 * index);
      bytes.writeUInt16LE(name, 12 * index + 8);
      bytes[12 * index + 10] = type;
      name += text.length;
    }
    bytes.write(names, 12 * list.length);
    return bytes;
  };
}

const root = (tail: Raw["tail"]): Raw => ({
  mode: 0o40755,
  layout: 2,
  nlink: 2,
  ...(tail === undefined ? {} : { tail }),
});
const empty = image([root(entries([".", 0, 2], ["..", 0, 2]))]);
const digest = Buffer.alloc(32, 0xab);
const full = image([
  root(
    entries(
      [".", 0, 2],
      ["..", 0, 2],
      ["empty", 1, 1],
      ["gone", 2, 3],
      ["link", 3, 7],
      ["object", 4, 1],
      ["same", 4, 1],
    ),
  ),
  { mode: 0o100600, layout: 2 },
  { mode: 0o20644, layout: 0 },
  { mode: 0o120777, layout: 2, tail: () => Buffer.from("any/where") },
  {
    mode: 0o100644,
    layout: 4,
    union: 31,
    size: 5_000_000,
    nlink: 2,
    xattrs: [
      [4, "overlay.metacopy", Buffer.concat([Buffer.from([0, 36, 0, 1]), digest])],
      [4, "overlay.redirect", Buffer.from(`/ab/${"ab".repeat(31)}`)],
      [1, "key", Buffer.from("value")],
    ],
    tail: () => Buffer.alloc(4, 0xff),
  },
]);

describe("readComposefs() of version 2", () => {
  test("knows the image of an empty tree by its digest", () => {
    const known = "086b702a519b57d6ef5aea6f8b3f2be24355cd1fb835cd80fb4e3d388b24d5a5";
    expect(Buffer.from(fsVerityDigest(empty)).toString("hex")).toBe(known);
    expect(readComposefs(empty).version).toBe(2);
    expect(formatDump(readComposefs(empty).root)).toBe("/ 0 40755 2 0 0 0 0.0 - - -\n");
  });

  test("reads objects, links, whiteouts and empty files", () => {
    const hex = "ab".repeat(32);
    expect(formatDump(readComposefs(full).root).split("\n").slice(1, -1)).toEqual([
      "/empty 0 100600 1 0 0 0 0.0 - - -",
      "/gone 0 20644 1 0 0 0 0.0 - - -",
      "/link 9 120777 1 0 0 0 0.0 any/where - -",
      `/object 5000000 100644 2 0 0 0 0.0 ab/${hex.slice(2)} - ${hex} user.key=value`,
      `/same 5000000 @100644 2 0 0 0 0.0 /object - ${hex} user.key=value`,
    ]);
  });

  test("gives a tree or an error where bytes are flipped", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2200 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(full);
        changed[at] = (changed[at] ?? 0) ^ flip;
        try {
          formatDump(readComposefs(changed).root);
        } catch (error) {
          expect(isDowelError(error)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
