// SPDX-License-Identifier: Apache-2.0

/** The fields of a ustar header block as they stand, but for the checksum. */
export function readHeader(block: Buffer): Record<string, string> {
  const text = (start: number, end: number): string => block.toString("latin1", start, end);
  return {
    name: text(0, 100).replace(/\0+$/, ""),
    mode: text(100, 108),
    uid: text(108, 116),
    gid: text(116, 124),
    size: text(124, 136),
    mtime: text(136, 148),
    typeFlag: text(156, 157),
    magic: text(257, 265),
    owners: text(265, 329).replaceAll("\0", ""),
    devices: text(329, 345),
  };
}
