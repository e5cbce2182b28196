// SPDX-License-Identifier: Apache-2.0
import { limits } from "../base/limits.ts";

export interface Span {
  readonly start: number;
  /** First byte that is not part of it. */
  readonly end: number;
}

/**
 * Reads a `Range` header (RFC 9110 14.2) for a body of `size` bytes. Undefined: send everything, because the header
 * is absent, malformed, of another unit, or asks for more bytes in all than there are. An empty list: not one of
 * the ranges can be satisfied (416).
 */
export function parseRanges(header: string | null, size: number): readonly Span[] | undefined {
  const list = /^bytes[ \t]*=(.*)$/i.exec(header ?? "")?.[1];
  if (list === undefined) return undefined;
  const spans: Span[] = [];
  let total = 0;
  const items = list.split(",").map((item) => item.trim());
  if (items.length > limits.httpRanges) return undefined;
  for (const item of items) {
    if (item === "") continue;
    const span = parseSpan(item, size);
    if (span === undefined) return undefined;
    if (span.start >= span.end) continue;
    spans.push(span);
    total += span.end - span.start;
  }
  return total > size ? undefined : spans;
}

/** An unsatisfiable range comes out empty; a malformed one undefined. */
function parseSpan(item: string, size: number): Span | undefined {
  const match = /^([0-9]{0,16})-([0-9]{0,16})$/.exec(item);
  const [, first = "", last = ""] = match ?? [];
  if (first === "") return last === "" ? undefined : { start: Math.max(0, size - Number(last)), end: size };
  if (last !== "" && Number(last) < Number(first)) return undefined;
  return { start: Number(first), end: last === "" ? size : Math.min(size, Number(last) + 1) };
}
