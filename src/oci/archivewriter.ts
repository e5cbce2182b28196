// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { DowelError, fileError } from "../base/errors.ts";
import { encodeUtf8 } from "../base/text.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { moveDurably, writeFully } from "./durable.ts";
import { blobPath, layoutVersionText, refNameAnnotation } from "./layout.ts";
import { encodeIndex } from "./manifest.ts";
import { mediaTypes } from "./mediatypes.ts";
import type { ImageDestination, ResolvedDocument } from "./source.ts";
import { blockSize, writeHeader } from "./tarheader.ts";
import { type ByteStream, verified } from "./verify.ts";

/**
 * Begins a new OCI archive, a tar of an OCI layout. The file appears under its name with `finish()`; without that,
 * disposing of the writer leaves nothing.
 */
export async function openArchiveWriter(path: string): Promise<ArchiveWriter> {
  const temporary = `${path}.tmp-${randomBytes(8).toString("hex")}`;
  try {
    return new ArchiveWriter(path, temporary, await open(temporary, "wx", 0o644));
  } catch (error) {
    throw fileError(error, "create", path);
  }
}

export class ArchiveWriter implements ImageDestination, AsyncDisposable {
  readonly name: string;
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #written = new Set<Digest>();
  readonly #images: Descriptor[] = [];
  /** A tar is written one member after the other, whoever comes. */
  #queue: Promise<void> = Promise.resolve();
  #failed = false;
  #closed = false;

  constructor(path: string, temporary: string, file: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.name = `oci-archive:${path}`;
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#written.has(descriptor.digest);
  }

  async putBlob(descriptor: Descriptor, chunks: ByteStream, signal?: AbortSignal): Promise<void> {
    const checked = verified(chunks, descriptor, `${this.name}: ${descriptor.digest}`, signal);
    await this.#inTurn(async () => {
      if (this.#written.has(descriptor.digest)) return;
      await this.#writeMember(blobPath(descriptor.digest), descriptor.size, checked);
      this.#written.add(descriptor.digest);
    });
  }

  async putManifest(document: ResolvedDocument, reference?: string, signal?: AbortSignal): Promise<void> {
    const { descriptor, bytes } = document;
    await this.putBlob(descriptor, once(bytes), signal);
    if (reference === descriptor.digest) return;
    const annotations = new Map(descriptor.annotations ?? []);
    annotations.delete(refNameAnnotation);
    if (reference !== undefined) annotations.set(refNameAnnotation, reference);
    this.#images.push({ ...descriptor, annotations });
  }

  /** Writes the index and the end of the archive, and puts the file in place. */
  async finish(): Promise<void> {
    await this.#inTurn(async () => {
      const index = encodeIndex({ mediaType: mediaTypes.ociIndex, manifests: this.#images, annotations: new Map() });
      const version = encodeUtf8(layoutVersionText);
      await this.#writeMember("index.json", index.byteLength, once(index));
      await this.#writeMember("oci-layout", version.byteLength, once(version));
      await writeFully(this.#file, new Uint8Array(2 * blockSize));
      await this.#file.sync();
      await this.#file.close();
      await moveDurably(this.#temporary, this.#path);
      this.#closed = true;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
    await rm(this.#temporary, { force: true });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(async () => {
      if (this.#failed || this.#closed) throw new DowelError("IO", `${this.name}: not open for writing any more`);
      try {
        await work();
      } catch (error) {
        this.#failed = true;
        throw fileError(error, "write", this.#path);
      }
    });
    this.#queue = turn.catch(() => undefined);
    await turn;
  }

  async #writeMember(name: string, size: number, chunks: ByteStream): Promise<void> {
    await writeFully(this.#file, writeHeader(name, size));
    for await (const chunk of chunks) await writeFully(this.#file, chunk);
    await writeFully(this.#file, new Uint8Array((blockSize - (size % blockSize)) % blockSize));
  }
}

async function* once(bytes: Uint8Array): ByteStream {
  yield bytes;
}
