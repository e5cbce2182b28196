// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import type { GvdbTable } from "../../../src/formats/gvdb/layout.ts";
import { readGvdb } from "../../../src/formats/gvdb/read.ts";
import { writeGvdb } from "../../../src/formats/gvdb/write.ts";
import { variants } from "../gvariant/variants.ts";

const keys = fc.string({ unit: "binary", maxLength: 40 }).filter((one) => !one.includes("\0") && one.isWellFormed());
const leaves = fc.uniqueArray(fc.tuple(keys, variants), { maxLength: 6, selector: ([key]) => key });
const tables: fc.Arbitrary<GvdbTable<Variant>> = leaves.chain((entries) =>
  fc.tuple(keys, leaves).map(([name, inner]) => {
    const nested: readonly (readonly [string, Variant | GvdbTable<Variant>])[] = [[name, new Map(inner)]];
    return new Map([...entries, ...nested]);
  }),
);

describe("GVDB", () => {
  test("what is written is read again", () => {
    fc.assert(
      fc.property(tables, (table) => {
        expect(readGvdb(writeGvdb(table))).toEqual(table);
      }),
    );
    expect(readGvdb(writeGvdb(new Map()))).toEqual(new Map());
  });

  test("answers any damage with a table or its own errors", () => {
    fc.assert(
      fc.property(tables, fc.nat(), fc.nat(255), fc.boolean(), (table, at, byte, cut) => {
        const bytes = writeGvdb(table);
        bytes[at % bytes.length] = byte;
        try {
          readGvdb(cut ? bytes.subarray(0, at % bytes.length) : bytes);
        } catch (error) {
          expect(isDowelError(error, "GVDB_INVALID") || isDowelError(error, "GVARIANT_INVALID")).toBe(true);
        }
      }),
    );
  });

  test("does not read one range again and again, however many entries name it", () => {
    const big = variant("ay", new Uint8Array(100_000));
    const names = Array.from({ length: 1000 }, (_, index) => `k${index}`);
    const bytes = writeGvdb(new Map([...names.map((name) => [name, variant("y", 0)] as const), ["big", big]]));
    const root = bytes.readUInt32LE(16);
    const items = root + 8 + 4 * 1001;
    const offsets = Array.from({ length: 1001 }, (_, index) => items + 24 * index);
    const [start, end] = offsets
      .map((at) => [bytes.readUInt32LE(at + 16), bytes.readUInt32LE(at + 20)] as const)
      .find(([from, to]) => to - from > 1000) ?? [0, 0];
    for (const at of offsets) {
      bytes.writeUInt32LE(start, at + 16);
      bytes.writeUInt32LE(end, at + 20);
    }
    expect(() => readGvdb(bytes)).toThrow("no part of others");
  });

  test("ends with tables that hold themselves", () => {
    const bytes = writeGvdb(new Map([["self", new Map([["x", variant("y", 1)]])]]));
    const item = bytes.readUInt32LE(16) + 8 + 4;
    bytes.writeUInt32LE(bytes.readUInt32LE(16), item + 16);
    bytes.writeUInt32LE(bytes.readUInt32LE(20), item + 20);
    expect(() => readGvdb(bytes)).toThrow(/tables in each other|no part of others/);
  });

  test.each([
    ["no file at all", (bytes: Buffer) => bytes.subarray(0, 0), "a header"],
    ["another file", (bytes: Buffer) => Buffer.from(bytes).fill(0x41, 0, 8), "'GVariant'"],
    ["a wrong hash", (bytes: Buffer) => patched(bytes, 0), "the hash of the key"],
    ["a parent", (bytes: Buffer) => patched(bytes, 4), "without parent"],
    ["a key elsewhere", (bytes: Buffer) => patched(bytes, 8), "within the file"],
    ["another kind", (bytes: Buffer) => patched(bytes, 14), "a value or a table"],
  ])("refuses %s", (_, damage, expected) => {
    expect(() => readGvdb(damage(writeGvdb(new Map([["key", variant("s", "value")]]))))).toThrow(expected);
  });
});

/** With four bytes of the only item changed. */
function patched(bytes: Buffer, field: number): Buffer {
  bytes.fill(0x7f, bytes.readUInt32LE(16) + 12 + field, bytes.readUInt32LE(16) + 12 + field + (field === 14 ? 1 : 4));
  return bytes;
}
