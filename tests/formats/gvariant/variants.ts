// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import type { Variant } from "../../../src/formats/dbus/types.ts";

const text = fc.string({ unit: "binary" }).filter((one) => !one.includes("\0") && one.isWellFormed());

const basics: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  y: fc.nat(0xff),
  b: fc.boolean(),
  n: fc.integer({ min: -0x8000, max: 0x7fff }),
  q: fc.nat(0xffff),
  i: fc.integer(),
  u: fc.nat(0xffff_ffff),
  x: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  t: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  d: fc.double({ noNaN: true }),
  s: text,
  g: fc.constantFrom("", "s", "a{sv}"),
  o: fc.constantFrom("/", "/a/b"),
};

interface Typed {
  readonly type: string;
  readonly values: fc.Arbitrary<unknown>;
}

const basic: fc.Arbitrary<Typed> = fc
  .constantFrom(...Object.keys(basics))
  .map((type) => ({ type, values: basics[type] ?? fc.constant(0) }));

const typed: fc.Arbitrary<Typed> = fc.letrec<{ any: Typed }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    basic,
    fc
      .tuple(tie("any"))
      .map(
        ([{ type, values }]): Typed =>
          type === "y"
            ? { type: "ay", values: fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one)) }
            : { type: `a${type}`, values: fc.array(values, { maxLength: 5 }) },
      ),
    fc.array(tie("any"), { minLength: 1, maxLength: 4 }).map(
      (members): Typed => ({
        type: `(${members.map(({ type }) => type).join("")})`,
        values: fc.tuple(...members.map(({ values }) => values)),
      }),
    ),
    fc.tuple(basic, tie("any")).map(
      ([key, entry]): Typed => ({
        type: `a{${key.type}${entry.type}}`,
        values: fc
          .uniqueArray(fc.tuple(key.values, entry.values), { maxLength: 4, selector: ([name]) => String(name) })
          .map((entries) => new Map(entries)),
      }),
    ),
    fc.tuple(tie("any")).map(
      ([{ type, values }]): Typed => ({
        type: "v",
        values: values.map((value) => ({ signature: type, value })),
      }),
    ),
  ),
})).any;

/** Variants of every type. */
export const variants: fc.Arbitrary<Variant> = typed
  .filter(({ type }) => type.length < 200)
  .chain(({ type, values }) => values.map((value) => ({ signature: type, value })));
