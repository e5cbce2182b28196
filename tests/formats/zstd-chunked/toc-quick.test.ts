// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { parseToc } from "../../../src/formats/zstd-chunked/toc-parse.ts";
import { readQuickly } from "../../../src/formats/zstd-chunked/toc-quick.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const end = 1_000_000_000;
const compact = (entries: readonly object[]) => JSON.stringify({ version: 1, entries, tarSplitDigest: digest });

/** What the reader says of a table, or the code of its error. */
function outcome(text: string): unknown {
  try {
    return parseToc(Buffer.from(text), end);
  } catch (error) {
    if (isDowelError(error)) return error.code;
    throw error;
  }
}

function isQuick(text: string): boolean {
  return readQuickly(Buffer.from(text), () => undefined) !== undefined;
}

const files = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    type: "reg",
    name: `a},{"type":"${at}`,
    mode: 420,
    size: 5,
    modtime: "1970-01-01T00:00:00Z",
    digest,
    offset: at * 20,
    endOffset: at * 20 + 20,
  }));

describe("readQuickly()", () => {
  test("reads tables of many portions as the slow reader does, whatever the names are", () => {
    const text = compact(files(5000));
    expect(isQuick(text)).toBe(true);
    const spaced = text.replace('"entries":', '"entries": ');
    expect(isQuick(spaced)).toBe(false);
    expect(outcome(text)).toEqual(outcome(spaced));
  });

  test("says the same of any table as the slow reader", () => {
    const value = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null), fc.boolean(), fc.constant({}));
    const key = fc.constantFrom(
      "type",
      "name",
      "size",
      "mode",
      "modtime",
      "digest",
      "offset",
      "chunkSize",
      "Name",
      "x",
    );
    const change = fc.record({ entry: fc.nat(3), key, value });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
        const entries: Record<string, unknown>[] = files(4);
        for (const { entry, key: name, value: other } of changes) entries[entry] = { ...entries[entry], [name]: other };
        const text = compact(entries);
        expect(outcome(text)).toEqual(outcome(text.replace('"entries":', '"entries": ')));
      }),
    );
  });

  test.each([
    ["a key twice", compact(files(1)).replace('"size":5', '"size":4,"size":5')],
    ["a key in another case beside it", compact(files(1)).replace('"size":5', '"Size":4,"size":5')],
    ["a prototype", compact(files(1)).replace('"size":5', '"__proto__":{"size":4},"size":5')],
    ["half a character", compact(files(1)).replace('"name":"a', '"name":"\\ud800')],
    ["a number in another form", compact(files(1)).replace('"size":5', '"size":5.0')],
    ["a second document", `${compact(files(1))}{}`],
    ["a list in an entry", compact(files(1)).replace('"size":5', '"size":[5]')],
    ["times of the first year", compact(files(1)).replace("1970-", "0001-")],
    ["no end", compact(files(1)).slice(0, -1)],
    ["nothing", ""],
  ])("leaves to the slow reader what has %s", (_, text) => {
    expect(isQuick(text)).toBe(false);
  });

  test("leaves out entries that were read before the table turned out to be of another kind", () => {
    const whole = compact(files(5000));
    const last = whole.lastIndexOf('"size":') + '"size":'.length;
    const text = `${whole.slice(0, last)} ${whole.slice(last)}`;
    expect(isQuick(text)).toBe(false);
    expect(parseToc(Buffer.from(text), end).entries).toHaveLength(5000);
  });
});
