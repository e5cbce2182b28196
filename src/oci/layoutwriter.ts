// SPDX-License-Identifier: Apache-2.0
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { lockFile } from "../sys/locks.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Digest, type DigestAlgorithm, digestAlgorithm, digestOf, isDigest } from "./digest.ts";
import { type WrittenFile, writeFileDurably, writeStreamDurably } from "./durable.ts";
import { blobPath, LayoutSource, layoutVersionText, refNameAnnotation } from "./layout.ts";
import { filesOfFolder } from "./layoutfiles.ts";
import { decodeIndex, encodeIndex } from "./manifest.ts";
import { mediaTypes } from "./mediatypes.ts";
import type { ImageDestination, ResolvedDocument } from "./source.ts";
import { type ByteStream, verified } from "./verify.ts";

/**
 * Opens an OCI layout folder for writing; makes one where there is none. Any number of writers may work at the same
 * time. The parent folder must exist.
 */
export async function openLayoutWriter(path: string, signal?: AbortSignal): Promise<LayoutWriter> {
  try {
    await mkdir(join(path, "blobs", "sha256"), { recursive: true });
  } catch (error) {
    throw fileError(error, "create", path);
  }
  const writer = new LayoutWriter(path);
  using _lock = await writer.lock(signal);
  if (!(await exists(join(path, "oci-layout")))) {
    const empty = { mediaType: mediaTypes.ociIndex, manifests: [], annotations: new Map<string, string>() };
    if (!(await exists(join(path, "index.json")))) await writeFileDurably(join(path, "index.json"), encodeIndex(empty));
    await writeFileDurably(join(path, "oci-layout"), layoutVersionText);
  }
  // refuses a folder that is some other version of a layout
  await (await LayoutSource.open(filesOfFolder(path), signal))[Symbol.asyncDispose]();
  return writer;
}

export class LayoutWriter implements ImageDestination {
  readonly name: string;
  readonly #path: string;

  /** For a folder that is known to be a layout; else use `openLayoutWriter`. */
  constructor(path: string) {
    this.#path = path;
    this.name = `oci:${path}`;
  }

  /** Streams content of unknown digest into the layout; the result says what it is. */
  async addBlob(chunks: ByteStream, algorithm: DigestAlgorithm = "sha256", signal?: AbortSignal): Promise<WrittenFile> {
    const place = ({ digest }: WrittenFile): string => join(this.#path, blobPath(digest));
    return writeStreamDurably(join(this.#path, "blobs", algorithm), chunks, algorithm, place, signal);
  }

  /** Stores content that is in memory, as a config. */
  async addBytes(bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
    if (!(await this.hasBlob(descriptor))) {
      await writeFileDurably(join(this.#path, blobPath(descriptor.digest)), bytes);
    }
    return descriptor;
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    const found = await fileSize(join(this.#path, blobPath(descriptor.digest)));
    return found === descriptor.size;
  }

  async putBlob(descriptor: Descriptor, chunks: ByteStream, signal?: AbortSignal): Promise<void> {
    const path = join(this.#path, blobPath(descriptor.digest));
    const checked = verified(chunks, descriptor, `${this.name}: ${descriptor.digest}`, signal);
    await writeStreamDurably(dirname(path), checked, digestAlgorithm(descriptor.digest), () => path, signal);
  }

  /**
   * Stores a manifest or index and lists it in index.json, under `reference` (any text: a tag or a Flatpak ref)
   * where one is given; the entry that had this name before goes.
   */
  async putManifest(document: ResolvedDocument, reference?: string, signal?: AbortSignal): Promise<void> {
    const { descriptor, bytes } = document;
    await writeFileDurably(join(this.#path, blobPath(descriptor.digest)), bytes);
    if (reference === descriptor.digest) return;
    using _lock = await this.lock(signal);
    const path = join(this.#path, "index.json");
    const index = decodeIndex(await readIndexFile(path), mediaTypes.ociIndex, path);
    const kept = index.manifests.filter((entry) => !replaces(descriptor, reference, entry));
    const all = [...kept, named(descriptor, reference)];
    const gone = index.manifests.filter(({ digest }) => !all.some((entry) => entry.digest === digest));
    const manifests = gone.length === 0 ? all : await this.#withoutReferrers(all, gone, signal);
    await writeFileDurably(path, encodeIndex({ ...index, manifests }));
  }

  /** The entries without those that only refer to images that the layout does not list any more. */
  async #withoutReferrers(
    entries: readonly Descriptor[],
    gone: readonly Descriptor[],
    signal: AbortSignal | undefined,
  ): Promise<readonly Descriptor[]> {
    await using source = await LayoutSource.open(filesOfFolder(this.#path), signal);
    const orphans = new Set<Digest>();
    for (const image of gone) {
      for (const { digest } of await source.referrers(image.digest, undefined, signal)) orphans.add(digest);
    }
    return entries.filter(({ digest }) => !orphans.has(digest));
  }

  async lock(signal?: AbortSignal): Promise<Disposable> {
    const lock = await lockFile(join(this.#path, ".lock"), { exclusive: true, signal });
    if (lock === undefined) throw new DowelError("IO", `Cannot lock ${this.#path}`);
    return lock;
  }
}

function replaces(descriptor: Descriptor, reference: string | undefined, entry: Descriptor): boolean {
  const name = entry.annotations?.get(refNameAnnotation);
  return name === reference && (reference !== undefined || entry.digest === descriptor.digest);
}

function named(descriptor: Descriptor, reference: string | undefined): Descriptor {
  const annotations = new Map(descriptor.annotations ?? []);
  annotations.delete(refNameAnnotation);
  if (reference !== undefined && !isDigest(reference)) annotations.set(refNameAnnotation, reference);
  return { ...descriptor, annotations };
}

async function readIndexFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

async function exists(path: string): Promise<boolean> {
  return (await fileSize(path)) !== undefined;
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fileError(error, "look at", path);
  }
}
