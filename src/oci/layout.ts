// SPDX-License-Identifier: Apache-2.0
import { Decoder } from "../base/decode.ts";
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { decodeUtf8 } from "../base/text.ts";
import type { Descriptor as FileDescriptor } from "../sys/beneath.ts";
import { openArchive } from "./archive.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Digest, digestAlgorithm, digestHex } from "./digest.ts";
import { filesOfDescriptor, filesOfFolder, type LayoutFiles } from "./layoutfiles.ts";
import { decodeDocument, decodeIndex, type ImageIndex } from "./manifest.ts";
import { isManifestType, mediaTypes } from "./mediatypes.ts";
import type { BlobOptions, ByteRange, ImageSource, ResolvedDocument } from "./source.ts";
import { type ByteStream, collect, sized, verified, verifyBytes } from "./verify.ts";

/** The annotation by which a layout's index names its images. */
export const refNameAnnotation = "org.opencontainers.image.ref.name";

export const layoutVersionText = '{"imageLayoutVersion":"1.0.0"}';

export function blobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** Opens an OCI layout folder (OCI image specification 1.1, image layout) for reading. */
export async function openLayout(path: string, signal?: AbortSignal): Promise<LayoutSource> {
  return LayoutSource.open(filesOfFolder(path), signal);
}

/** Opens an OCI layout in a folder that is open and may be changed by others; `name` is for messages. */
export async function openHeldLayout(
  folder: FileDescriptor,
  name: string,
  signal?: AbortSignal,
): Promise<LayoutSource> {
  return LayoutSource.open(filesOfDescriptor(folder, name), signal);
}

/** Opens a tar of an OCI layout for reading; nothing is unpacked. Dispose of it to close the file. */
export async function openLayoutArchive(path: string, signal?: AbortSignal): Promise<LayoutSource> {
  const files = await openArchive(path, signal);
  try {
    return await LayoutSource.open(files, signal);
  } catch (error) {
    await files[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether an entry of a layout's index may refer to something: it has a type of its own and no name. */
function isReferrer({ mediaType, artifactType, annotations }: Descriptor, wanted?: string): boolean {
  if (artifactType === undefined || (wanted !== undefined && artifactType !== wanted)) return false;
  return isManifestType(mediaType) && annotations?.has(refNameAnnotation) !== true;
}

export class LayoutSource implements ImageSource {
  readonly isLocal = true;
  readonly #files: LayoutFiles;

  private constructor(files: LayoutFiles) {
    this.#files = files;
  }

  get name(): string {
    return this.#files.name;
  }

  static async open(files: LayoutFiles, signal?: AbortSignal): Promise<LayoutSource> {
    const source = new LayoutSource(files);
    const what = `${files.name}: oci-layout`;
    const decoder = new Decoder("OCI_LAYOUT_INVALID", what);
    const text = decodeUtf8(await source.#readFile("oci-layout", signal)) ?? decoder.fail("", "UTF-8 text");
    const version = decoder.object(decoder.parse(text), "")["imageLayoutVersion"];
    if (version !== "1.0.0") decoder.fail("imageLayoutVersion", '"1.0.0"');
    return source;
  }

  /** What the layout offers: the entries of its index.json, in order. */
  async images(signal?: AbortSignal): Promise<readonly Descriptor[]> {
    return (await this.#index(signal)).manifests;
  }

  async resolve(reference?: string, signal?: AbortSignal): Promise<ResolvedDocument> {
    const entries = await this.images(signal);
    const matching = entries.filter(({ digest, annotations, artifactType }) =>
      reference === undefined
        ? artifactType === undefined
        : digest === reference || annotations?.get(refNameAnnotation) === reference,
    );
    const [descriptor, second] = matching;
    if (descriptor === undefined || (reference === undefined && second !== undefined)) {
      throw new DowelError("REF_NOT_FOUND", `${this.name}: ${this.#whyNot(entries, reference)}`);
    }
    return { descriptor, bytes: await this.fetchDocument(descriptor, signal) };
  }

  async fetchDocument(descriptor: Descriptor, signal?: AbortSignal): Promise<Uint8Array> {
    const path = blobPath(descriptor.digest);
    return verifyBytes(await this.#readFile(path, signal), descriptor, `${this.name}: ${path}`);
  }

  openBlob(descriptor: Descriptor, options: BlobOptions = {}): ByteStream {
    const path = blobPath(descriptor.digest);
    const offset = options.offset ?? 0;
    const what = `${this.name}: ${path}`;
    // one byte more than promised is asked for, so that a longer file is noticed
    const chunks = this.#files.read(path, offset, descriptor.size - offset + 1, options.signal);
    return offset === 0 ? verified(chunks, descriptor, what) : sized(chunks, descriptor.size - offset, what);
  }

  openRange(descriptor: Descriptor, range: ByteRange, signal?: AbortSignal): ByteStream {
    const path = blobPath(descriptor.digest);
    return sized(this.#files.read(path, range.offset, range.length, signal), range.length, `${this.name}: ${path}`);
  }

  /** What a layout lists by no name and refers to a manifest by its `subject`, as other tools leave it there, too. */
  async referrers(digest: Digest, artifactType?: string, signal?: AbortSignal): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    for (const entry of await this.images(signal)) {
      if (!isReferrer(entry, artifactType)) continue;
      const bytes = await this.fetchDocument(entry, signal);
      const { subject } = decodeDocument(bytes, entry.mediaType, `${this.name}@${entry.digest}`);
      if (subject?.digest === digest) found.push(entry);
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }

  async #index(signal: AbortSignal | undefined): Promise<ImageIndex> {
    return decodeIndex(await this.#readFile("index.json", signal), mediaTypes.ociIndex, `${this.name}: index.json`);
  }

  async #readFile(path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const limit = limits.ociDocumentBytes;
    if ((await this.#files.sizeOf(path)) === undefined) {
      throw new DowelError("OCI_LAYOUT_INVALID", `${this.name}: ${path} is missing`);
    }
    return collect(this.#files.read(path, 0, limit + 1, signal), limit, `${this.name}: ${path}`);
  }

  #whyNot(entries: readonly Descriptor[], reference: string | undefined): string {
    const names = entries.map(({ digest, annotations }) => annotations?.get(refNameAnnotation) ?? digest);
    const has = entries.length === 0 ? "it has none" : `it has ${names.slice(0, 20).join(", ")}`;
    return reference === undefined ? `one image is expected where no name is given; ${has}` : `no ${reference}; ${has}`;
  }
}
