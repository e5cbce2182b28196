// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { decodeConfig } from "./config.ts";
import type { Descriptor, Platform } from "./descriptor.ts";
import { type Digest, digestOf } from "./digest.ts";
import { decodeDocument, encodeIndex, type ImageIndex, type ImageManifest } from "./manifest.ts";
import { isConfigType, isIndexType, isManifestType, mediaTypes } from "./mediatypes.ts";
import type { ImageDestination, ImageSource, ResolvedDocument } from "./source.ts";

export interface CopyOptions {
  /** What to ask the source for: tag, name or digest. */
  readonly from?: string | undefined;
  /** The tag or name at the destination. */
  readonly to?: string | undefined;
  /**
   * Keep images of other architectures that the destination has under the same tag: the tag then holds an index.
   * Only for destinations that can be read too. Default: the tag is replaced.
   */
  readonly keepOtherArchitectures?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal | undefined;
  /** Blobs on their way at the same time. Default 3. */
  readonly parallel?: number;
}

/**
 * Copies an image, or an index with all its images, bytes unchanged: blobs first, those the destination lacks, then
 * manifests. Returns the digest that the tag stands for in the end.
 */
export async function copyImage(
  source: ImageSource,
  destination: ImageDestination,
  options: CopyOptions = {},
): Promise<Digest> {
  const document = await source.resolve(options.from, options.signal);
  const copier = new Copier(source, destination, options);
  await copier.copyContents(document);
  const final = await copier.joined(document);
  if (final !== document) await destination.putManifest(document, document.descriptor.digest, options.signal);
  await destination.putManifest(final, options.to, options.signal);
  const reference = `${destination.name}${options.to === undefined ? "" : `:${options.to}`}`;
  options.report?.({ type: "push.done", reference, digest: final.descriptor.digest });
  return final.descriptor.digest;
}

/** Copies one manifest with all that it refers to, bytes unchanged, without a name. */
export async function copyDocument(
  source: ImageSource,
  destination: ImageDestination,
  document: ResolvedDocument,
  options: Pick<CopyOptions, "signal" | "report"> = {},
): Promise<void> {
  await new Copier(source, destination, options).copyContents(document);
  await destination.putManifest(document, undefined, options.signal);
}

class Copier {
  readonly #source: ImageSource;
  readonly #destination: ImageDestination;
  readonly #options: CopyOptions;
  readonly #report: Report;
  readonly #done = new Set<Digest>();

  constructor(source: ImageSource, destination: ImageDestination, options: CopyOptions) {
    this.#source = source;
    this.#destination = destination;
    this.#options = options;
    this.#report = options.report ?? silent;
  }

  /** Copies everything that a document refers to, not the document itself. */
  async copyContents({ descriptor, bytes }: ResolvedDocument): Promise<void> {
    const parsed = decodeDocument(bytes, descriptor.mediaType, `${this.#source.name}@${descriptor.digest}`);
    if (parsed.kind === "manifest") await this.#copyBlobs(parsed);
    else await this.#copyMembers(parsed);
  }

  /** The document to put under the tag: itself, or an index of it and the images of other architectures there. */
  async joined(document: ResolvedDocument): Promise<ResolvedDocument> {
    const { to, keepOtherArchitectures, signal } = this.#options;
    const destination = this.#destination;
    if (keepOtherArchitectures !== true || to === undefined || !isReadable(destination)) return document;
    if (isIndexType(document.descriptor.mediaType)) return document;
    const present = await destination.resolve(to, signal).catch((error: unknown) => {
      if (isDowelError(error, "REGISTRY_NOT_FOUND") || isDowelError(error, "REF_NOT_FOUND")) return undefined;
      throw error;
    });
    if (present === undefined) return document;
    const own = await withPlatform(this.#source, document, signal);
    const others = (await membersOf(destination, present, signal)).filter(
      ({ platform }) => !samePlatform(platform, own.platform),
    );
    if (others.length === 0) return document;
    const index = {
      mediaType: mediaTypes.ociIndex,
      manifests: [...others, own],
      annotations: new Map<string, string>(),
    };
    const bytes = encodeIndex(index);
    return { descriptor: { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
  }

  async #copyMembers(index: ImageIndex): Promise<void> {
    const { signal } = this.#options;
    for (const member of index.manifests) {
      if (!isIndexType(member.mediaType) && !isManifestType(member.mediaType)) {
        await this.#copyBlob(member);
        continue;
      }
      const document = { descriptor: member, bytes: await this.#source.fetchDocument(member, signal) };
      await this.copyContents(document);
      await this.#destination.putManifest(document, member.digest, signal);
    }
  }

  /** A few at a time; the first failure stops the others. */
  async #copyBlobs(manifest: ImageManifest): Promise<void> {
    const waiting = [...manifest.layers, manifest.config].filter(({ digest }) => !this.#done.has(digest));
    const stop = new AbortController();
    const { signal } = this.#options;
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const worker = async (): Promise<void> => {
      for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) await this.#copyBlob(blob, either);
    };
    const workers = Array.from({ length: this.#options.parallel ?? 3 }, worker);
    try {
      await Promise.all(workers);
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(workers);
      throw error;
    }
  }

  async #copyBlob(blob: Descriptor, signal = this.#options.signal): Promise<void> {
    checkCancelled(signal);
    if (this.#done.has(blob.digest)) return;
    this.#done.add(blob.digest);
    const how = await this.#move(blob, signal);
    this.#report({ type: "push.blob", digest: blob.digest, size: blob.size, how });
  }

  async #move(blob: Descriptor, signal: AbortSignal | undefined): Promise<"sent" | "present" | "mounted"> {
    const destination = this.#destination;
    if (await destination.hasBlob(blob, signal)) return "present";
    if ((await destination.mountBlob?.(blob, this.#source, signal)) === true) return "mounted";
    await destination.putBlob(blob, this.#source.openBlob(blob, { signal }), signal);
    return "sent";
  }
}

function isReadable(destination: ImageDestination): destination is ImageDestination & ImageSource {
  return "resolve" in destination && "fetchDocument" in destination;
}

async function membersOf(
  source: ImageSource,
  document: ResolvedDocument,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  const { descriptor, bytes } = document;
  const parsed = decodeDocument(bytes, descriptor.mediaType, `${source.name}@${descriptor.digest}`);
  return parsed.kind === "index" ? parsed.manifests : [await withPlatform(source, document, signal)];
}

/** The descriptor of a manifest with the platform that its config names. */
async function withPlatform(
  source: ImageSource,
  { descriptor, bytes }: ResolvedDocument,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const what = `${source.name}@${descriptor.digest}`;
  const { mediaType, digest, size } = descriptor;
  const parsed = decodeDocument(bytes, mediaType, what);
  if (parsed.kind === "index" || !isConfigType(parsed.config.mediaType)) return { mediaType, digest, size };
  const { os, architecture, variant } = decodeConfig(await source.fetchDocument(parsed.config, signal), what);
  const platform: Platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  return { mediaType, digest, size, platform };
}

function samePlatform(left: Platform | undefined, right: Platform | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.os === right.os && left.architecture === right.architecture && left.variant === right.variant;
}
