// SPDX-License-Identifier: Apache-2.0

/**
 * Reads a number of a header field: octal digits between optional spaces, ended by NUL or space (POSIX ustar), or
 * base-256 where the first bit is set (GNU). An empty field is 0. Returns undefined where it is neither, or does not
 * fit 53 bits.
 */
export function parseNumber(block: Uint8Array, start: number, length: number): number | undefined {
  const first = block[start] ?? 0;
  if ((first & 0x80) !== 0) return parseBase256(block, start, length);
  let at = start;
  const end = start + length;
  while (at < end && block[at] === 0x20) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; at < end; at++) if (block[at] !== 0 && block[at] !== 0x20) return undefined;
  return value;
}

/** Two's complement, big-endian; the topmost bit only marks the encoding. */
function parseBase256(block: Uint8Array, start: number, length: number): number | undefined {
  const first = block[start] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = BigInt(negative ? first - 0x100 : first & 0x7f);
  for (let at = start + 1; at < start + length; at++) value = value * 256n + BigInt(block[at] ?? 0);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Reads a whole number in decimal, as pax records have it; undefined where it is none or does not fit 53 bits. */
export function parseDecimal(text: string): number | undefined {
  if (!/^[0-9]{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The greatest number that fits `length` bytes of a header field, one of them the closing NUL. */
export function octalMaximum(length: number): number {
  return 8 ** (length - 1) - 1;
}

/** Writes a whole number as zero-padded octal digits and a NUL; it must be at most `octalMaximum(length)`. */
export function writeOctal(block: Uint8Array, start: number, length: number, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > octalMaximum(length)) {
    throw new RangeError(`${value} does not fit a tar header field of ${length} bytes`);
  }
  let rest = value;
  for (let at = start + length - 2; at >= start; at--) {
    block[at] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  block[start + length - 1] = 0;
}
