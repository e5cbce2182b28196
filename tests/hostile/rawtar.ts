// SPDX-License-Identifier: Apache-2.0
// Tar archives as no honest program writes them.

export interface RawEntry {
  readonly name: string;
  /** POSIX type flag: `0` file, `1` hard link, `2` symbolic link, `3` and `4` devices, `5` folder, `6` fifo. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly link?: string;
  readonly content?: string | Uint8Array;
  /** The size that the header claims; else the true one. */
  readonly size?: number;
}

const blockBytes = 512;

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, "0")}\0`;
}

function header(entry: RawEntry, size: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(entry.name, 0, 100);
  block.write(octal(entry.mode ?? (entry.type === "5" ? 0o755 : 0o644), 7), 100);
  block.write(octal(entry.uid ?? 0, 7), 108);
  block.write(octal(entry.uid ?? 0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(1, 11), 136);
  block.write(" ".repeat(8), 148);
  block.write(entry.type ?? "0", 156);
  block.write(entry.link ?? "", 157, 100);
  block.write("ustar\x0000", 257);
  block.write(octal(1, 7), 329);
  block.write(octal(3, 7), 337);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A ustar archive of the entries in their order, with both end blocks. */
export function rawTar(entries: readonly RawEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const content = Buffer.from(entry.content ?? "");
    parts.push(header(entry, entry.size ?? content.length), content);
    parts.push(Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}

/** One record of a pax extended header. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (length !== String(length).length + rest.length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}
