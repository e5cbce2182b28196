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

/** What queries ask about a device, in lower-case hexadecimal digits. */
export interface UsbIdentity {
  /** Four digits each. */
  readonly vendor: string;
  readonly product: string;
  /** Classes with their subclasses, `03:01`: the device's own, and those of its interfaces. */
  readonly classes: readonly string[];
}

/** Whether a query, as `parseUsbQuery` answers it, is about a device. */
export function usbQueryFits(query: string, { vendor, product, classes }: UsbIdentity): boolean {
  return query.split("+").every((item) => {
    if (item === "all") return true;
    const value = item.slice("vnd:".length);
    if (item.startsWith("vnd:")) return value === vendor;
    if (item.startsWith("dev:")) return value === product;
    return classes.some((one) => (value.endsWith("*") ? one.startsWith(value.slice(0, -1)) : one === value));
  });
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
