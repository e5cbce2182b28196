// SPDX-License-Identifier: Apache-2.0

const rule = /^(?:vnd:[0-9a-f]{4}|dev:[0-9a-f]{4}|cls:[0-9a-f]{2}:(?:[0-9a-f]{2}|\*))$/;

/**
 * Reads a query for USB devices, rules joined by `+`: `all`, or each at most once of `vnd:HHHH`, `dev:HHHH` (only with
 * `vnd`) and `cls:HH:HH` or `cls:HH:*`. Answers it in lower case; undefined where it is malformed.
 */
export function parseUsbQuery(text: string): string | undefined {
  const query = text.toLowerCase();
  if (query === "all") return query;
  const rules = query.split("+");
  const kinds = rules.map((item) => item.slice(0, 3));
  if (!rules.every((item) => rule.test(item)) || new Set(kinds).size !== kinds.length) return undefined;
  return kinds.includes("dev") && !kinds.includes("vnd") ? undefined : query;
}
