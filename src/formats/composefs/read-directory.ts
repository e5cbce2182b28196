// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";
import { blockBytes, direntBytes, layoutChunked, layoutInline } from "./constants.ts";
import { type Extent, invalid } from "./extent.ts";
import type { RawInode } from "./read-inode.ts";

export interface RawEntry {
  readonly offset: number;
  readonly name: ByteString;
  readonly nid: number;
  readonly fileType: number;
}

export interface Part {
  readonly offset: number;
  readonly length: number;
}

/** Where the bytes of a folder, a link or an inline file are: whole blocks and then a tail. Claims them. */
export function contentParts(image: Extent, inode: RawInode): readonly Part[] {
  if (inode.layout === layoutChunked) invalid(inode.offset, "only a regular file with an object has chunks");
  if (inode.size < 0) invalid(inode.offset, "the size must not be negative");
  const tail = inode.layout === layoutInline ? inode.size % blockBytes : 0;
  if (inode.layout === layoutInline && tail === 0 && inode.version < 2)
    invalid(inode.offset, "an inline inode must have a tail");
  const parts: Part[] = [];
  if (inode.size > tail) parts.push({ offset: inode.union * blockBytes, length: inode.size - tail });
  if (tail > 0) parts.push({ offset: inode.tailOffset, length: tail });
  for (const { offset, length } of parts) image.claim(offset, length);
  return parts;
}

/** The entries of a folder, "." and ".." too, in strict byte order. */
export function readEntries(image: Extent, inode: RawInode): readonly RawEntry[] {
  const entries: RawEntry[] = [];
  for (const { offset, length } of contentParts(image, inode)) {
    for (let at = 0; at < length; at += blockBytes) {
      readBlock(image, offset + at, Math.min(blockBytes, length - at), entries);
    }
  }
  return entries;
}

function readBlock(image: Extent, start: number, length: number, entries: RawEntry[]): void {
  if (length < direntBytes) invalid(start, "a directory block must hold an entry");
  const namesStart = image.u16(start + 8);
  if (namesStart === 0 || namesStart % direntBytes !== 0 || namesStart > length) {
    invalid(start + 8, "the names must begin behind the entries");
  }
  let nameStart = namesStart;
  for (let at = 0; at < namesStart; at += direntBytes) {
    const offset = start + at;
    const last = at + direntBytes === namesStart;
    const nameEnd = last ? image.textEnd(start + nameStart, start + length) - start : image.u16(offset + 20);
    if (nameEnd <= nameStart || nameEnd > length) invalid(offset, "a name must be inside its block");
    const name = image.text(start + nameStart, nameEnd - nameStart);
    const previous = entries.at(-1);
    if (previous !== undefined && previous.name >= name) invalid(offset, "names must be in byte order, each once");
    entries.push({ offset, name, nid: image.s64(offset), fileType: image.u8(offset + 10) });
    nameStart = nameEnd;
  }
}
