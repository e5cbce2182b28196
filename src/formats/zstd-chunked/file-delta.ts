// SPDX-License-Identifier: Apache-2.0
import { promisify } from "node:util";
import { zstdCompress, constants as zstdConstants } from "node:zlib";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { checkDigest, unpackFrames } from "./frame.ts";

/**
 * How contents of files come of earlier ones: the line `file-delta 1`, then for each content the sha256 of the new one and
 * of the earlier one (32 bytes each), the sizes of the new one and of the patch (each 32 bits, little endian), and the
 * patch: one zstd frame with the earlier content as its dictionary.
 */
const head = Buffer.from("file-delta 1\n");
const recordBytes = 72;
const dictionaryMagic = Buffer.from("37a430ec", "hex");
/** The smallest that zstd takes. */
const leastWindowLog = 10;
const what = "delta of files";
/** A patch must save at least a fifth of what it replaces. */
const mostOfCost = 0.8;
/** A higher level costs many times the time for a few percent, a lower one brings several times the bytes. */
const level = 9;

const compress = promisify(zstdCompress);

/** How one content comes of another; digests are `sha256:HEX`. */
export interface FilePatch {
  readonly digest: string;
  readonly size: number;
  readonly from: string;
  readonly patch: Uint8Array;
}

/** Makes the patch from one content to another; undefined where it is not much smaller than `cost`. */
export async function makeFilePatch(
  from: Uint8Array,
  to: Uint8Array,
  digests: { readonly from: string; readonly to: string },
  cost: number,
): Promise<FilePatch | undefined> {
  if (startsAsDictionary(from)) return undefined;
  const windowLog = Math.max(Math.ceil(Math.log2(from.length + to.length + 1)), leastWindowLog);
  const params = {
    [zstdConstants.ZSTD_c_compressionLevel]: level,
    [zstdConstants.ZSTD_c_windowLog]: windowLog,
  };
  const patch = await compress(to, { dictionary: from, params });
  if (patch.length + recordBytes > cost * mostOfCost) return undefined;
  return { digest: digests.to, size: to.length, from: digests.from, patch };
}

/** The bytes of a delta, in parts. */
export function encodeFileDelta(patches: readonly FilePatch[]): Uint8Array {
  const parts: Uint8Array[] = [head];
  for (const { digest, size, from, patch } of patches) {
    const record = Buffer.alloc(recordBytes);
    record.write(digest.slice("sha256:".length), 0, "hex");
    record.write(from.slice("sha256:".length), 32, "hex");
    record.writeUInt32LE(size, 64);
    record.writeUInt32LE(patch.length, 68);
    parts.push(record, patch);
  }
  return Buffer.concat(parts);
}

/** Reads a delta; the patches share its memory. Throws ZSTD_CHUNKED_INVALID, LIMIT_EXCEEDED. */
export function parseFileDelta(delta: Uint8Array): FilePatch[] {
  const bytes = Buffer.from(delta.buffer, delta.byteOffset, delta.byteLength);
  if (!bytes.subarray(0, head.length).equals(head)) refuse(0, "it must begin with the line file-delta 1");
  const patches: FilePatch[] = [];
  for (let at = head.length; at < bytes.length; ) {
    if (at + recordBytes > bytes.length) refuse(at, "it ends inside a record");
    const [size, length] = [bytes.readUInt32LE(at + 64), bytes.readUInt32LE(at + 68)];
    const start = at + recordBytes;
    if (start + length > bytes.length) refuse(at, "it ends inside a patch");
    if (size > limits.patchedFileBytes) {
      throw new DowelError(
        "LIMIT_EXCEEDED",
        `${what}, byte ${at}: a file has more than ${limits.patchedFileBytes} bytes`,
      );
    }
    const [digest, from] = [hexAt(bytes, at), hexAt(bytes, at + 32)];
    patches.push({ digest, size, from, patch: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return patches;
}

/** Makes the content of the earlier one. Throws COMPRESSION_INVALID, DIGEST_MISMATCH, LIMIT_EXCEEDED. */
export function applyFilePatch({ digest, size, patch }: FilePatch, from: Uint8Array): Uint8Array {
  const bytes = unpackFrames(patch, size, what, from);
  checkDigest(bytes, digest, what);
  return bytes;
}

/** Whether zstd would take a content for a dictionary in its own format (RFC 8878, 5), and not for bytes. */
function startsAsDictionary(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, 4), dictionaryMagic) === 0;
}

function hexAt(bytes: Buffer, at: number): string {
  return `sha256:${bytes.toString("hex", at, at + 32)}`;
}

function refuse(at: number, problem: string): never {
  throw new DowelError("ZSTD_CHUNKED_INVALID", `${what}, byte ${at}: ${problem}`);
}
