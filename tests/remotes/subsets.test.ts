// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { subsetsOf } from "../../src/remotes/subsets.ts";

const label = "org.flatpak.commit-metadata.xa.subsets";

/** A variant as GLib serializes it, made by hand from the specification: texts with NUL, then where each ends. */
function encode(texts: readonly string[]): string {
  const parts = texts.map((text) => Buffer.from(`${text}\0`));
  let end = 0;
  const offsets = parts.map((part) => {
    end += part.length;
    return end;
  });
  const size = end + offsets.length <= 0xff ? 1 : 2;
  const table = Buffer.alloc(offsets.length * size);
  for (const [at, offset] of offsets.entries()) table.writeUIntLE(offset, at * size, size);
  return Buffer.concat([...parts, table, Buffer.from("\0as")]).toString("base64");
}

test("subsetsOf() reads the texts of a variant", () => {
  const texts = fc.array(fc.stringMatching(/^[a-z]{1,40}$/), { maxLength: 12 });
  fc.assert(fc.property(texts, (list) => expect(subsetsOf(new Map([[label, encode(list)]]))).toEqual(list)));
});

test("subsetsOf() reads what ostree wrote", () => {
  // As `flatpak build-export --subset=verified` keeps it.
  expect(subsetsOf(new Map([[label, Buffer.from("verified\0\t\0as").toString("base64")]]))).toEqual(["verified"]);
});

test("subsetsOf() finds nothing when the label is anything else", () => {
  expect(subsetsOf(new Map())).toEqual([]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const value = Buffer.concat([bytes, Buffer.from("\0as")]).toString("base64");
      return Array.isArray(subsetsOf(new Map([[label, value]])));
    }),
  );
});
