// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkCancelled, fileError } from "../base/errors.ts";
import { startWriting } from "../sys/durability.ts";
import { type Digest, type DigestAlgorithm, finishDigest } from "./digest.ts";
import type { ByteStream } from "./verify.ts";

const readSize = 1024 * 1024;
/** After so many bytes the device begins to write them, so that less is left to wait for at the end. */
const writtenEarlyBytes = 16 * 1024 * 1024;

/** Names that start like this are files being written; a crash can leave one behind. */
const temporaryPrefix = ".tmp-";

function temporaryBeside(path: string): string {
  return join(dirname(path), `${temporaryPrefix}${basename(path).slice(0, 32)}-${randomBytes(8).toString("hex")}`);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes a folder and those above it, and makes their names last. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) await syncFolder(dirname(folder));
}

/** Creates an empty file, or leaves one that is there, and makes its name last. */
export async function putMark(path: string): Promise<void> {
  await makeFolder(dirname(path));
  await (await open(path, "a", 0o644)).close();
  await syncFolder(dirname(path));
}

/** Puts a file in place so that after a crash there is the old content or the new one, never a part. */
export async function writeFileDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    const file = await open(temporary, "wx", 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await moveDurably(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(error, "write", path);
  }
}

/** Renames a file that is already on the disk, and makes the new name last. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

export interface WrittenFile {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Streams bytes into a new file in `folder`, then moves it to where `place` says, which sees digest and size first
 * and may throw. Nothing stays if anything fails.
 */
export async function writeStreamDurably(
  folder: string,
  chunks: ByteStream,
  algorithm: DigestAlgorithm,
  place: (written: WrittenFile) => string,
  signal?: AbortSignal,
): Promise<WrittenFile> {
  const temporary = temporaryBeside(join(folder, "blob"));
  try {
    await makeFolder(folder);
    const file = await open(temporary, "wx", 0o644);
    let written: WrittenFile;
    try {
      written = await writeHashed(file, chunks, algorithm, signal);
      await file.sync();
    } finally {
      await file.close();
    }
    const path = place(written);
    await makeFolder(dirname(path));
    await moveDurably(temporary, path);
    return written;
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(error, "write a blob in", folder);
  }
}

async function writeHashed(
  file: FileHandle,
  chunks: ByteStream,
  algorithm: DigestAlgorithm,
  signal: AbortSignal | undefined,
): Promise<WrittenFile> {
  const hash = createHash(algorithm);
  let size = 0;
  let begun = 0;
  for await (const chunk of chunks) {
    checkCancelled(signal);
    hash.update(chunk);
    await writeFully(file, chunk);
    size += chunk.byteLength;
    if (size - begun < writtenEarlyBytes) continue;
    startWriting(file.fd);
    begun = size;
  }
  return { digest: finishDigest(hash, algorithm), size };
}

/** Appends all of `chunk` at the file's position. */
export async function writeFully(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.byteLength - done);
    done += bytesWritten;
  }
}

/** Reads from an open file; ends early where the file ends. */
export async function* readFileRange(
  file: FileHandle,
  offset: number,
  length: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = offset;
  const end = offset + length;
  while (at < end) {
    checkCancelled(signal);
    const buffer = new Uint8Array(Math.min(readSize, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
