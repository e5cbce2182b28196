// SPDX-License-Identifier: Apache-2.0

/** Families of addresses (Xauth(3)): a host by name, and any. */
const familyLocal = 256;
const familyWild = 0xffff;

interface Entry {
  readonly family: number;
  readonly address: string;
  /** Display number as text; empty for any. */
  readonly display: string;
  readonly name: Uint8Array;
  readonly data: Uint8Array;
}

/** Reads the entries of an Xauthority file; what comes after the first malformed one is left out. */
function readEntries(bytes: Uint8Array): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Entry[] = [];
  let offset = 0;
  const field = (): Uint8Array | undefined => {
    if (offset + 2 > bytes.length) return undefined;
    const length = view.getUint16(offset);
    if (offset + 2 + length > bytes.length) return undefined;
    offset += 2 + length;
    return bytes.subarray(offset - length, offset);
  };
  while (offset + 2 <= bytes.length) {
    const family = view.getUint16(offset);
    offset += 2;
    const [address, display, name, data] = [field(), field(), field(), field()];
    if (address === undefined || display === undefined || name === undefined || data === undefined) break;
    const text = (part: Uint8Array) => Buffer.from(part).toString("latin1");
    entries.push({ family, address: text(address), display: text(display), name, data });
  }
  return entries;
}

function writeEntry(display: string, { name, data }: Entry): Uint8Array {
  const family = Buffer.alloc(2);
  family.writeUInt16BE(familyWild);
  const fields = [Buffer.alloc(0), Buffer.from(display, "latin1"), name, data].flatMap((part) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(part.length);
    return [length, part];
  });
  return Buffer.concat([family, ...fields]);
}

/**
 * An Xauthority file with nothing but the keys of one display of this machine, valid under any host name; undefined
 * where `bytes`, the caller's file, has none.
 */
export function selectXauthority(bytes: Uint8Array, hostname: string, display: string): Uint8Array | undefined {
  const fitting = readEntries(bytes).filter(
    (entry) =>
      (entry.display === display || entry.display === "") &&
      (entry.family === familyWild || (entry.family === familyLocal && entry.address === hostname)),
  );
  return fitting.length === 0 ? undefined : Buffer.concat(fitting.map((entry) => writeEntry(display, entry)));
}
