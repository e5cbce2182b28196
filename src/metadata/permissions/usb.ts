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

/**
 * Reads the text of a list of USB queries: one a line or with `;` between, `!` in front of those to hide, comment lines
 * with `#`. Answers permission options; as Flatpak does, it leaves out what is malformed.
 */
export function readUsbListFile(text: string): string[] {
  const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  return lines
    .flatMap((line) => line.split(";"))
    .map((item) => item.trim())
    .filter((item) => parseUsbQuery(item.replace(/^!/, "")) !== undefined)
    .map((item) => (item.startsWith("!") ? `--nousb=${item.slice(1)}` : `--usb=${item}`));
}
