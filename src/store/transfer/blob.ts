// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { checkCancelled, DowelError } from "../../base/errors.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { digestAlgorithm, digestHex, finishDigest } from "../../oci/digest.ts";
import type { ImageSource } from "../../oci/source.ts";
import type { ByteStream } from "../../oci/verify.ts";
import { lockFile } from "../../sys/locks.ts";
import type { Installation } from "../installation.ts";

/** Smaller blobs, and those of this machine, are read again after an interruption. */
const resumeFrom = 8 * 1024 * 1024;
const replayBytes = 1024 * 1024;

function partPath(installation: Installation, descriptor: Descriptor): string {
  return join(installation.tmp, "blobs", `${digestHex(descriptor.digest)}.part`);
}

/**
 * The bytes of a blob, size and digest checked at the end at the latest. What comes is also kept in
 * `tmp/blobs/DIGEST.part`, without any sync; a later call begins with what is kept there and asks the source only for the
 * rest. A part that cannot be written, or that another process writes, just means that nothing is kept.
 */
export async function* fetchBlob(
  installation: Installation,
  source: ImageSource,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  using part =
    source.isLocal === true || descriptor.size < resumeFrom
      ? undefined
      : await Part.open(partPath(installation, descriptor));
  const have = part === undefined || part.size > descriptor.size ? 0 : part.size;
  if (part === undefined || have === 0) {
    part?.clear();
    yield* kept(source.openBlob(descriptor, { signal }), part);
    return;
  }
  const algorithm = digestAlgorithm(descriptor.digest);
  const hash = createHash(algorithm);
  for (const chunk of part.replay()) {
    checkCancelled(signal);
    hash.update(chunk);
    yield chunk;
  }
  if (have < descriptor.size) {
    for await (const chunk of kept(source.openBlob(descriptor, { offset: have, signal }), part)) {
      hash.update(chunk);
      yield chunk;
    }
  }
  const found = finishDigest(hash, algorithm);
  if (found === descriptor.digest) return;
  throw new DowelError("DIGEST_MISMATCH", `${source.name}: digest is ${found}, expected ${descriptor.digest}`, {
    hint: "Run the same command again; the transfer then starts from the beginning.",
  });
}

/** Forgets what is kept of a blob: it is stored, or it turned out to be bad. */
export function forgetBlob(installation: Installation, descriptor: Descriptor): void {
  rmSync(partPath(installation, descriptor), { force: true });
}

async function* kept(chunks: ByteStream, part: Part | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    part?.append(chunk);
    yield chunk;
  }
}

class Part implements Disposable {
  readonly #path: string;
  readonly #lock: Disposable;
  #fd: number | undefined;

  private constructor(path: string, lock: Disposable, fd: number) {
    this.#path = path;
    this.#lock = lock;
    this.#fd = fd;
  }

  /** Undefined where nothing can be kept. */
  static async open(path: string): Promise<Part | undefined> {
    try {
      mkdirSync(join(path, ".."), { recursive: true });
      const lock = await lockFile(path, { exclusive: true, waitMilliseconds: 0 });
      if (lock === undefined) return undefined;
      return new Part(path, lock, openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW));
    } catch {
      return undefined;
    }
  }

  get size(): number {
    return this.#fd === undefined ? 0 : fstatSync(this.#fd).size;
  }

  clear(): void {
    if (this.#fd !== undefined) ftruncateSync(this.#fd, 0);
  }

  *replay(): Generator<Uint8Array> {
    for (let offset = 0; this.#fd !== undefined; ) {
      const chunk = Buffer.allocUnsafeSlow(replayBytes);
      const length = readSync(this.#fd, chunk, 0, chunk.length, offset);
      if (length === 0) return;
      offset += length;
      yield chunk.subarray(0, length);
    }
  }

  /** Keeps a chunk; gives up keeping, and frees the space, where that fails. */
  append(chunk: Uint8Array): void {
    if (this.#fd === undefined) return;
    try {
      for (let offset = 0; offset < chunk.length; ) offset += writeSync(this.#fd, chunk, offset);
    } catch {
      rmSync(this.#path, { force: true });
      closeSync(this.#fd);
      this.#fd = undefined;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#lock[Symbol.dispose]();
  }
}
