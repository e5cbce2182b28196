// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ErrorCode } from "../../../src/base/codes.ts";
import { type DowelError, isDowelError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { readTar } from "../../../src/formats/tar/read.ts";
import { encodeHeader } from "../../../src/formats/tar/write.ts";
import { chunked, collect, entry, file, readAll, writeAll } from "./support.ts";

const zeros = Buffer.alloc(1024);

/** A copy of a header block with some bytes set, and the checksum made right again. */
function patch(block: Uint8Array, changes: readonly (readonly [number, string | Uint8Array])[]): Buffer {
  const copy = Buffer.from(block);
  for (const [at, bytes] of changes) copy.set(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes, at);
  copy.fill(" ", 148, 156);
  const sum = copy.reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return copy;
}

const plain = encodeHeader(entry({ path: "plain" }));

/** An extended header of the given type with the given body. */
function extension(type: string, body: string | Uint8Array): Buffer {
  const bytes = Buffer.from(body);
  const size = `${bytes.length.toString(8).padStart(11, "0")}\0`;
  const header = patch(plain, [
    [156, type],
    [124, size],
  ]);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

function pax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (String(length).length + Buffer.byteLength(rest) !== length) length++;
  return `${length}${rest}`;
}

async function errorOf(bytes: Uint8Array, size?: number): Promise<DowelError | undefined> {
  try {
    await readAll(bytes, size);
  } catch (error) {
    if (isDowelError(error)) return error;
    throw error;
  }
  return undefined;
}

const small = await writeAll([
  { entry: entry({ path: "dir", type: "directory" }) },
  file("dir/file", "x".repeat(600), { xattrs: new Map([["user.a", Buffer.from("1")]]) }),
  file(`dir/${"n".repeat(150)}`, "y"),
  { entry: entry({ path: "link", type: "symlink", linkName: "dir/file" }) },
]);

describe("readTar() of archives that are cut short", () => {
  test("throws at every offset, or ends cleanly between two members", async () => {
    const starts = new Set<number>([0]);
    for await (const member of readTar(chunked(small, small.length))) starts.add(member.offset);
    const end = small.length - 1024;
    for (let length = 0; length < small.length; length++) {
      const error = await errorOf(small.subarray(0, length), 512);
      const clean = starts.has(length) || length === end || length === end + 512 ? undefined : "TRANSFER_INCOMPLETE";
      // half a block of zeros at the end counts as padding
      const padding = length > end + 512;
      expect({ length, code: error?.code }).toEqual({ length, code: padding ? undefined : clean });
    }
  });

  test("throws where a large body is cut short, read or not", async () => {
    const archive = await writeAll([file("big", Buffer.alloc(2_000_000))]);
    const cut = archive.subarray(0, 1_500_000);
    expect((await errorOf(cut))?.message).toContain("big");
    const skip = async (): Promise<void> => {
      for await (const member of readTar(chunked(cut, 65536))) expect(member.bytes).toBeUndefined();
    };
    await expect(skip()).rejects.toMatchObject({ code: "TRANSFER_INCOMPLETE" });
  });
});

describe("readTar() of damaged archives", () => {
  test("throws nothing but DowelError, whatever bytes are changed", async () => {
    const flip = fc.tuple(fc.nat(small.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), fc.boolean(), async (flips, fix) => {
        const bad = Buffer.from(small);
        for (const [at, value] of flips) {
          bad[at] = value;
          const block = at - (at % 512);
          // with the checksum made right the change is seen by what comes after it
          if (fix) bad.set(patch(bad.subarray(block, block + 512), []), block);
        }
        await errorOf(bad, 700);
      }),
      { numRuns: 1000 },
    );
  });

  test("throws nothing but DowelError for any pax records", async () => {
    const part = fc.constantFrom(..."0123456789 =\n\0%é", "path", "size", "mtime", "SCHILY.xattr.", "GNU.sparse.major");
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 30 }), async (parts) => {
        await errorOf(Buffer.concat([extension("x", parts.join("")), plain, zeros]));
      }),
      { numRuns: 1000 },
    );
  });
});

type Case = readonly [string, ErrorCode, readonly (Uint8Array | string)[]];

const refused: readonly Case[] = [
  ["a wrong checksum", "TAR_INVALID", [Buffer.from(plain).fill("x", 0, 1), zeros]],
  ["no tar at all", "TAR_INVALID", [Buffer.alloc(1024, "text ")]],
  ["an unknown magic", "TAR_INVALID", [patch(plain, [[257, "mustard\0"]]), zeros]],
  ["a number that is not octal", "TAR_INVALID", [patch(plain, [[124, "0000000009\0"]]), zeros]],
  ["a negative size", "TAR_INVALID", [patch(plain, [[124, Buffer.alloc(12, 0xff)]]), zeros]],
  [
    "a size past 53 bits",
    "TAR_INVALID",
    [patch(plain, [[124, Buffer.from("80ffffffffffffffffffffff", "hex")]]), zeros],
  ],
  ["an unknown type", "TAR_INVALID", [patch(plain, [[156, "D"]]), zeros]],
  ["an old sparse file", "TAR_INVALID", [patch(plain, [[156, "S"]]), zeros]],
  [
    "a directory with a body",
    "TAR_INVALID",
    [
      patch(plain, [
        [156, "5"],
        [124, "00000000001\0"],
      ]),
      zeros,
    ],
  ],
  [
    "a hard link with a body",
    "TAR_INVALID",
    [
      patch(plain, [
        [156, "1"],
        [124, "00000000001\0"],
      ]),
      zeros,
    ],
  ],
  ["a file named like a directory", "TAR_INVALID", [patch(plain, [[0, "plain/"]]), zeros]],
  ["one block of zeros in the middle", "TAR_INVALID", [plain, zeros.subarray(512), plain, zeros]],
  ["data after the end", "TAR_INVALID", [plain, zeros, "x"]],
  ["an extended header for nothing", "TRANSFER_INCOMPLETE", [extension("x", pax("path", "p")), zeros]],
  ["two extended headers", "TAR_INVALID", [extension("x", ""), extension("x", ""), plain, zeros]],
  ["two long names", "TAR_INVALID", [extension("L", "a\0"), extension("L", "b\0"), plain, zeros]],
  ["a GNU and a pax name", "TAR_INVALID", [extension("L", "a\0"), extension("x", pax("path", "b")), plain, zeros]],
  ["a global header between", "TAR_INVALID", [extension("x", ""), extension("g", ""), plain, zeros]],
  ["a path for all entries", "TAR_INVALID", [extension("g", pax("path", "p")), plain, zeros]],
  ["a size for all entries", "TAR_INVALID", [extension("g", pax("size", "0")), plain, zeros]],
  ["a record without a length", "TAR_INVALID", [extension("x", "path=p\n"), plain, zeros]],
  ["a record longer than the header", "TAR_INVALID", [extension("x", "99 path=p\n"), plain, zeros]],
  ["a record without newline", "TAR_INVALID", [extension("x", "9 path=pp"), plain, zeros]],
  ["a record without key", "TAR_INVALID", [extension("x", "5 =p\n"), plain, zeros]],
  ["a record of length 0", "TAR_INVALID", [extension("x", "0 path=p\n"), plain, zeros]],
  ["NUL in a pax path", "TAR_INVALID", [extension("x", pax("path", "a\0b")), plain, zeros]],
  ["a pax size that is no number", "TAR_INVALID", [extension("x", pax("size", "-1")), plain, zeros]],
  ["a pax time that is no number", "TAR_INVALID", [extension("x", pax("mtime", "1e5")), plain, zeros]],
  ["an attribute without a name", "TAR_INVALID", [extension("x", pax("SCHILY.xattr.", "v")), plain, zeros]],
  ["an attribute in wrong base64", "TAR_INVALID", [extension("x", pax("LIBARCHIVE.xattr.user.a", "*")), plain, zeros]],
  ["a uid past 32 bits", "TAR_INVALID", [extension("x", pax("uid", "4294967296")), plain, zeros]],
  ["a name that is not UTF-8", "TAR_UNSAFE", [patch(plain, [[0, "\xff\xfe"]]), zeros]],
  [
    "a pax path that is not UTF-8",
    "TAR_UNSAFE",
    [extension("x", Buffer.from("9 path=\xff\n", "latin1")), plain, zeros],
  ],
  [
    "too large an extended header",
    "LIMIT_EXCEEDED",
    [
      patch(plain, [
        [156, "x"],
        [124, "77777777777\0"],
      ]),
      zeros,
    ],
  ],
  ["too long a path", "LIMIT_EXCEEDED", [extension("x", pax("path", "p".repeat(limits.pathBytes + 1))), plain, zeros]],
  [
    "too large an attribute",
    "LIMIT_EXCEEDED",
    [extension("x", pax("SCHILY.xattr.user.a", "v".repeat(limits.xattrValueBytes + 1))), plain, zeros],
  ],
  [
    "too many attributes",
    "LIMIT_EXCEEDED",
    [
      extension(
        "x",
        Array.from({ length: limits.xattrsPerEntry + 1 }, (_, at) => pax(`SCHILY.xattr.user.${at}`, "")).join(""),
      ),
      plain,
      zeros,
    ],
  ],
];

describe("readTar() of what writers and readers disagree about", () => {
  test.each(refused)("refuses %s", async (_, code, parts) => {
    const archive = Buffer.concat(parts.map((part) => Buffer.from(part)));
    for (const size of [100, archive.length]) {
      const error = await errorOf(archive, size);
      expect({ code: error?.code, named: /offset \d+/.test(error?.message ?? "") }).toEqual({ code, named: true });
    }
  });

  const allowed: readonly (readonly [string, readonly Uint8Array[], object])[] = [
    ["no end at all", [plain], { path: "plain" }],
    ["one block of zeros as the end", [plain, zeros.subarray(512)], { path: "plain" }],
    ["much padding", [plain, Buffer.alloc(100_000)], { path: "plain" }],
    [
      "a v7 directory",
      [
        patch(plain, [
          [0, "plain/"],
          [156, "\0"],
          [257, Buffer.alloc(8)],
        ]),
      ],
      { type: "directory" },
    ],
    ["a contiguous file", [patch(plain, [[156, "7"]])], { type: "file" }],
    ["spaces around a number", [patch(plain, [[100, "   644 \0"]])], { mode: 0o644 }],
    ["an empty number", [patch(plain, [[108, "\0\0\0\0\0\0\0\0"]])], { uid: 0 }],
    ["a fraction", [extension("x", pax("mtime", "1.5")), plain], { mtime: { seconds: 1, nanoseconds: 500_000_000 } }],
    [
      "a time before 1970",
      [extension("x", pax("mtime", "-1.25")), plain],
      { mtime: { seconds: -2, nanoseconds: 750_000_000 } },
    ],
    ["an unknown record", [extension("x", pax("VENDOR.key", "v")), plain], { path: "plain" }],
    [
      "an empty record, which takes back",
      [extension("x", pax("path", "p") + pax("path", "")), plain],
      { path: "plain" },
    ],
    ["the last of two records", [extension("x", pax("path", "p") + pax("path", "q")), plain], { path: "q" }],
    ["a record for all entries", [extension("g", pax("uid", "9")), plain], { uid: 9 }],
    ["a record over that", [extension("g", pax("uid", "9")), extension("x", pax("uid", "8")), plain], { uid: 8 }],
    [
      "attributes as libarchive has them",
      [extension("x", pax("LIBARCHIVE.xattr.user.a%20b", "AQID")), plain],
      { xattrs: new Map([["user.a b", Uint8Array.from([1, 2, 3])]]) },
    ],
  ];
  test.each(allowed)("reads %s", async (_, parts, expected) => {
    const members = await readAll(Buffer.concat(parts), 1000);
    expect(members).toHaveLength(1);
    for (const [key, value] of Object.entries(expected)) {
      expect(new Map(Object.entries(members[0]?.entry ?? {})).get(key)).toEqual(value);
    }
  });

  test("takes the size of the pax header for the way to the next member", async () => {
    const body = Buffer.alloc(512, "b");
    const hidden = encodeHeader(entry({ path: "hidden" }));
    const archive = Buffer.concat([extension("x", pax("size", "1024")), plain, hidden, body, plain, zeros]);
    const members = await readAll(archive);
    expect(members.map((member) => [member.entry.path, member.body.length])).toEqual([
      ["plain", 1024],
      ["plain", 0],
    ]);
  });
});

describe("readTar()", () => {
  test("passes over bodies that are not read, and refuses to give them later", async () => {
    const archive = await writeAll([file("big", Buffer.alloc(3_000_000, "x")), file("after", "a")]);
    const members = [];
    for await (const member of readTar(chunked(archive, 50_000))) members.push(member);
    expect(members.map((member) => member.path)).toEqual(["big", "after"]);
    const [big] = members;
    if (big === undefined) throw new Error("no member");
    await expect(collect(big.chunks())).rejects.toThrow("after the next member");
  });

  test("closes its source where it is left early, and stops when the signal fires", async () => {
    let closed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield plain;
      } finally {
        closed = true;
      }
    }
    for await (const member of readTar(source())) {
      expect(member.path).toBe("plain");
      break;
    }
    expect(closed).toBe(true);
    const controller = new AbortController();
    const run = async (): Promise<void> => {
      for await (const _ of readTar(source(), { signal: controller.signal })) controller.abort();
    };
    await expect(run()).rejects.toMatchObject({ code: "ABORTED" });
  });
});
