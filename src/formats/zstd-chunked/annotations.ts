// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { invalid, tooLarge } from "./invalid.ts";

/** Where a packed document lies in the blob: behind the header of its skippable frame. */
export interface Placed {
  readonly offset: number;
  /** Bytes in the blob. */
  readonly size: number;
  readonly unpackedSize: number;
}

/** What the annotations of a layer say; they are trusted as far as the manifest that holds them is. */
export interface ChunkedPlaces {
  readonly toc: Placed;
  /** `sha256:HEX` of the packed table of contents. */
  readonly tocDigest: string;
  /** Undefined in layers of the old dialect, from which the archive cannot be put together again. */
  readonly tarSplit: Placed | undefined;
  /** Where the compressed archive ends in the blob. */
  readonly payloadEnd: number;
}

const prefix = "io.github.containers.zstd-chunked.";
/** Written by containers-storage before 1.44, as in Debian 12. */
const oldPrefix = "io.containers.zstd-chunked.";
const estargzKey = "containerd.io/snapshot/stargz/toc.digest";

/** Bytes before what a skippable frame holds. */
export const skippableHeaderBytes = 8;
const tocType = 1;

/**
 * Reads the annotations of a layer of `blobSize` bytes; undefined where it is no zstd:chunked layer. Throws
 * ZSTD_CHUNKED_INVALID for what cannot be true, and for a layer with an estargz table too: two tables can lie apart.
 */
export function readAnnotations(
  annotations: Readonly<Record<string, string>>,
  blobSize: number,
): ChunkedPlaces | undefined {
  const used = [prefix, oldPrefix].find((start) => annotations[`${start}manifest-checksum`] !== undefined);
  if (used === undefined) return undefined;
  if (annotations[estargzKey] !== undefined) invalid("annotations", "there must not be an estargz table as well");
  const tocDigest = annotations[`${used}manifest-checksum`] ?? "";
  if (!/^sha256:[0-9a-f]{64}$/.test(tocDigest)) invalid("manifest-checksum", "must be a sha256 digest");
  const [offset, size, unpackedSize, type] = numbers(annotations, `${used}manifest-position`, 4);
  if (type !== tocType) invalid("manifest-position", `the type of the table must be ${tocType}, not ${type}`);
  const toc = placed("manifest-position", offset, size, unpackedSize, 0, blobSize);
  checkSize("a table of contents", toc, limits.chunkedTableBytes);
  const tarSplitKey = `${used}tarsplit-position`;
  let tarSplit: Placed | undefined;
  if (annotations[tarSplitKey] !== undefined) {
    const [start, packed, unpacked] = numbers(annotations, tarSplitKey, 3);
    tarSplit = placed("tarsplit-position", start, packed, unpacked, toc.offset + toc.size, blobSize);
    checkSize("tar-split data", tarSplit, limits.tarSplitBytes);
  }
  return { toc, tocDigest, tarSplit, payloadEnd: toc.offset - skippableHeaderBytes };
}

function numbers(annotations: Readonly<Record<string, string>>, key: string, count: number): readonly number[] {
  const parts = (annotations[key] ?? "").split(":");
  const values = parts.map((part) => (/^[0-9]{1,16}$/.test(part) ? Number(part) : Number.NaN));
  if (parts.length !== count || !values.every((value) => Number.isSafeInteger(value))) {
    invalid(key, `must be ${count} whole numbers with colons between them`);
  }
  return values;
}

function placed(key: string, offset = 0, size = 0, unpackedSize = 0, after: number, blobSize: number): Placed {
  const first = after + skippableHeaderBytes;
  if (offset < first || size < 1 || unpackedSize < 1 || offset + size > blobSize) {
    invalid(key, `must lie from ${first} to ${blobSize} of the blob`);
  }
  return { offset, size, unpackedSize };
}

function checkSize(what: string, { size, unpackedSize }: Placed, most: number): void {
  if (Math.max(size, unpackedSize) > most) tooLarge(what, Math.max(size, unpackedSize), most);
}

/** The annotations that go on the descriptor of a layer. */
export function writeAnnotations(toc: Placed, tocDigest: string, tarSplit: Placed): Record<string, string> {
  return {
    [`${prefix}manifest-checksum`]: tocDigest,
    [`${prefix}manifest-position`]: `${toc.offset}:${toc.size}:${toc.unpackedSize}:${tocType}`,
    [`${prefix}tarsplit-position`]: `${tarSplit.offset}:${tarSplit.size}:${tarSplit.unpackedSize}`,
  };
}

/** A skippable frame (RFC 8878, 3.1.2) without what it holds, which has `size` bytes. */
export function skippableHeader(size: number): Uint8Array {
  const header = new Uint8Array(skippableHeaderBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0x184d2a50, true);
  view.setUint32(4, size, true);
  return header;
}

/** What the last skippable frame of a blob holds: the places again, for readers without annotations. */
export function encodeFooter(toc: Placed, tarSplit: Placed): Uint8Array {
  const footer = new Uint8Array(64);
  const view = new DataView(footer.buffer);
  const values = [
    toc.offset,
    toc.size,
    toc.unpackedSize,
    tocType,
    tarSplit.offset,
    tarSplit.size,
    tarSplit.unpackedSize,
  ];
  for (const [index, value] of values.entries()) view.setBigUint64(8 * index, BigInt(value), true);
  footer.set(Buffer.from("GNUlInUx"), 56);
  return footer;
}
