// SPDX-License-Identifier: Apache-2.0
import { type ZstdOptions, zstdCompress, constants as zstdConstants } from "node:zlib";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { unpackFrames } from "./frame.ts";

/**
 * Contents of files that a layer has and an earlier one had not: the line `file-delta 2`, then frames. Each has the bytes of
 * its patch and the number of its contents (32 bits each, little endian); the sha256 of the earlier content that it needs,
 * zeros for none; sha256 and size (32 bits) of each content; and the patch: one zstd frame that makes the contents, one
 * after the other, with the earlier content as its dictionary.
 */
const head = Buffer.from("file-delta 2\n");
const frameBytes = 40;
const contentBytes = 36;
const noDigest = "0".repeat(64);
const dictionaryMagic = Buffer.from("37a430ec", "hex");
/** The smallest that zstd takes. */
const leastWindowLog = 10;
const what = "delta of files";
/** For much, a higher level costs many times the time for a few percent; a lower one brings several times the bytes. */
const [levelForLittle, levelForMuch] = [19, 9] as const;

/** In a thread of its own. */
function compress(bytes: Uint8Array, options: ZstdOptions): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    zstdCompress(bytes, options, (error, packed) => (error === null ? resolve(packed) : reject(error)));
  });
}

/** How new contents come, of an earlier one or of none; digests are `sha256:HEX`. */
export interface FileFrame {
  readonly from: string | undefined;
  readonly to: readonly { readonly digest: string; readonly size: number }[];
  readonly patch: Uint8Array;
}

/** A content with the digest that it has. */
export interface DigestedContent {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** Makes the frame for some contents; of none where the earlier one cannot be a dictionary. */
export async function makeFileFrame(
  from: DigestedContent | undefined,
  to: readonly DigestedContent[],
): Promise<FileFrame> {
  const dictionary = from === undefined || startsAsDictionary(from.bytes) ? undefined : from.bytes;
  const content = Buffer.concat(to.map(({ bytes }) => bytes));
  const window = (dictionary?.length ?? 0) + content.length + 1;
  const params = {
    [zstdConstants.ZSTD_c_compressionLevel]: window > 2 * limits.sharedFrameBytes ? levelForMuch : levelForLittle,
    [zstdConstants.ZSTD_c_windowLog]: Math.max(Math.ceil(Math.log2(window)), leastWindowLog),
  };
  return {
    from: dictionary && from?.digest,
    to: to.map(({ digest, bytes }) => ({ digest, size: bytes.length })),
    patch: await compress(content, dictionary === undefined ? { params } : { dictionary, params }),
  };
}

/** Bytes that a frame takes in a delta. */
export function sizeInDelta({ to, patch }: FileFrame): number {
  return frameBytes + contentBytes * to.length + patch.length;
}

/** Bytes that a frame makes. */
export function sizeOfContents({ to }: FileFrame): number {
  return to.reduce((sum, { size }) => sum + size, 0);
}

/** The bytes of a delta. */
export function encodeFileDelta(frames: readonly FileFrame[]): Uint8Array {
  const parts: Uint8Array[] = [head];
  for (const frame of frames) {
    const { from, to, patch } = frame;
    const record = Buffer.alloc(sizeInDelta(frame) - patch.length);
    record.writeUInt32LE(patch.length, 0);
    record.writeUInt32LE(to.length, 4);
    writeDigest(record, 8, from ?? noDigest);
    for (const [at, { digest, size }] of to.entries()) {
      writeDigest(record, frameBytes + contentBytes * at, digest);
      record.writeUInt32LE(size, frameBytes + contentBytes * at + 32);
    }
    parts.push(record, patch);
  }
  return Buffer.concat(parts);
}

/** Reads a delta; the patches share its memory. Throws ZSTD_CHUNKED_INVALID, LIMIT_EXCEEDED. */
export function parseFileDelta(delta: Uint8Array): FileFrame[] {
  const bytes = Buffer.from(delta.buffer, delta.byteOffset, delta.byteLength);
  if (!bytes.subarray(0, head.length).equals(head)) refuse(0, "it must begin with the line file-delta 2");
  const frames: FileFrame[] = [];
  for (let at = head.length; at < bytes.length; ) {
    const frame = readFrame(bytes, at);
    frames.push(frame);
    at += sizeInDelta(frame);
  }
  return frames;
}

function readFrame(bytes: Buffer, start: number): FileFrame {
  if (start + frameBytes > bytes.length) refuse(start, "it ends inside a frame");
  const [length, count] = [bytes.readUInt32LE(start), bytes.readUInt32LE(start + 4)];
  const patchAt = start + frameBytes + contentBytes * count;
  if (patchAt + length > bytes.length) refuse(start, "it ends inside a frame");
  if (count === 0) refuse(start, "a frame must have contents");
  const from = hexAt(bytes, start + 8);
  const to = Array.from({ length: count }, (_, index) => {
    const at = start + frameBytes + contentBytes * index;
    return { digest: `sha256:${hexAt(bytes, at)}`, size: bytes.readUInt32LE(at + 32) };
  });
  const patch = bytes.subarray(patchAt, patchAt + length);
  const frame = { from: from === noDigest ? undefined : `sha256:${from}`, to, patch };
  if (sizeOfContents(frame) > limits.patchedFileBytes) {
    const problem = `a frame makes more than ${limits.patchedFileBytes} bytes`;
    throw new DowelError("LIMIT_EXCEEDED", `${what}, byte ${start}: ${problem}`);
  }
  return frame;
}

/**
 * The contents of a frame, which share memory; `from` is the earlier one that it needs. Their digests are not compared.
 * Throws COMPRESSION_INVALID, LIMIT_EXCEEDED.
 */
export function openFileFrame(frame: FileFrame, from: Uint8Array | undefined): DigestedContent[] {
  const bytes = unpackFrames(frame.patch, sizeOfContents(frame), what, from);
  let end = 0;
  return frame.to.map(({ digest, size }) => {
    const start = end;
    end += size;
    return { digest, bytes: bytes.subarray(start, end) };
  });
}

/** Whether zstd would take a content for a dictionary in its own format (RFC 8878, 5), and not for bytes. */
function startsAsDictionary(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, 4), dictionaryMagic) === 0;
}

function writeDigest(record: Buffer, at: number, digest: string): void {
  record.write(digest.slice(-64), at, "hex");
}

function hexAt(bytes: Buffer, at: number): string {
  return bytes.toString("hex", at, at + 32);
}

function refuse(at: number, problem: string): never {
  throw new DowelError("ZSTD_CHUNKED_INVALID", `${what}, byte ${at}: ${problem}`);
}
