// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { applyTarDiff } from "../../../src/formats/tardiff/apply.ts";
import { data, delta, open, operation } from "../../support/tardiff.ts";

const old = new Map([
  ["files/a", Buffer.from("0123456789")],
  ["files/b", Buffer.from("abc".repeat(1_000_000))],
]);

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

let opened = 0;

async function apply(bytes: Uint8Array, { pieces = 1000, maxBytes = 1 << 24 } = {}): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const find = (path: string) => {
    const file = old.get(path);
    if (file === undefined) return undefined;
    opened += 1;
    return {
      size: file.length,
      // what is read is overwritten by the next call, as it may be
      read: (offset: number, most: number) => file.subarray(offset, offset + Math.min(most, 70_001)),
      [Symbol.dispose]: () => {
        opened -= 1;
      },
    };
  };
  for await (const part of applyTarDiff(inPieces(bytes, pieces), find, { maxBytes })) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

test("applyTarDiff() puts together what is new, what is copied, and what is added to old bytes", async () => {
  const operations = [
    data(Buffer.from("<")),
    open("files/a"),
    operation("seek", 4),
    operation("copy", 3),
    operation("addData", 2, Buffer.from([1, 255])),
    open("files/b"),
    operation("copy", 3_000_000),
    open("files/a"),
    operation("copy", 1),
    data(new Uint8Array(0)),
    data(Buffer.from(">")),
  ];
  const expected = `<45687${"abc".repeat(1_000_000)}0>`;
  for (const pieces of [1, 7, 100_000]) {
    expect((await apply(delta(operations), { pieces })).toString()).toBe(expected);
    expect(opened).toBe(0);
  }
  expect(await apply(delta([]))).toEqual(Buffer.alloc(0));
});

test("applyTarDiff() refuses what leads astray", async () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    [
      "other magic",
      Buffer.concat([Buffer.from("tardf2\n\0"), zstdCompressSync(data(Buffer.from("x")))]),
      "begin as one",
    ],
    ["nothing", new Uint8Array(0), "too early"],
    ["a file that is not there", delta([open("files/c")]), '"files/c"'],
    ["a file outside", delta([open("../../etc/passwd")]), "no file"],
    ["a path without end", delta([operation("open", 2 ** 53 - 1)]), "a path of"],
    ["a number without end", delta([Buffer.from([0, ...new Array(20).fill(0xff), 1])]), "too large"],
    ["a copy before a file is open", delta([operation("copy", 1)]), "before it opens"],
    ["a copy behind the end", delta([open("files/a"), operation("copy", 11)]), "behind the end"],
    ["a place behind the end", delta([open("files/a"), operation("seek", 10), operation("copy", 1)]), "behind the end"],
    ["data that are cut", delta([operation("data", 10, Buffer.from("x"))]), "too early"],
    ["an unknown operation", delta([Buffer.from([9, 0])]), "operation 9"],
  ];
  for (const [name, bytes, word] of cases) {
    await expect(
      apply(bytes).catch((error: Error) => error.message),
      name,
    ).resolves.toContain(word);
    expect(opened).toBe(0);
  }
});

test("applyTarDiff() stops where a small delta makes too much", async () => {
  const bomb = delta(Array.from({ length: 100 }, () => Buffer.concat([open("files/b"), operation("copy", 3_000_000)])));
  await expect(apply(bomb)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(opened).toBe(0);
});

test("applyTarDiff() ends in bytes or a refusal whatever the operations are", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.boolean(), async (bytes, withFile) => {
      try {
        await apply(delta([...(withFile ? [open("files/a")] : []), bytes]));
      } catch (error) {
        if (!isDowelError(error)) throw error;
      }
      expect(opened).toBe(0);
    }),
    { numRuns: 200 },
  );
});
