// SPDX-License-Identifier: Apache-2.0
import type { BlobPart } from "../formats/zstd-chunked/answer.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { ByteStream } from "./verify.ts";

/** A manifest or index with its own bytes, checked against the descriptor's digest. */
export interface ResolvedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface BlobOptions {
  /** First byte wanted. */
  readonly offset?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Bytes of a blob from `start` to before `end`. */
export interface BlobSpan {
  readonly start: number;
  readonly end: number;
}

/** Where images come from: an OCI layout folder, an OCI archive or a repository of a registry. */
export interface ImageSource extends AsyncDisposable {
  /** For messages: `docker://HOST/REPOSITORY` or `oci:PATH`. */
  readonly name: string;
  /** Whether the bytes are on this machine, so that there is no point in keeping them for another try. */
  readonly isLocal?: boolean;
  /**
   * Finds a manifest or index by tag (registry), by `org.opencontainers.image.ref.name` (layout) or by digest.
   * Without a reference: the tag `latest`, or the layout's only image.
   */
  resolve(reference?: string, signal?: AbortSignal): Promise<ResolvedDocument>;
  /** A manifest, index or config, whole; its size and digest are right. At most `limits.ociDocumentBytes`. */
  fetchDocument(descriptor: Descriptor, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * The bytes of a blob. Read from the start, their size and digest are checked while they stream, so nothing is
   * to be trusted before the end. With an offset only the size is checked: the caller has the first bytes and
   * checks the whole.
   */
  openBlob(descriptor: Descriptor, options?: BlobOptions): ByteStream;
  /** Part of a blob: exactly `length` bytes, not checked against any digest. */
  openRange(descriptor: Descriptor, range: ByteRange, signal?: AbortSignal): ByteStream;
  /**
   * Several parts of a blob, which must be ascending and apart, in few requests; only where that is better than all of
   * the blob. They come in order, perhaps with bytes between them, not checked against any digest. Throws `REGISTRY_REFUSED` or
   * `REGISTRY_RESPONSE` where parts cannot be had.
   */
  openSpans?(descriptor: Descriptor, spans: readonly BlobSpan[], signal?: AbortSignal): AsyncIterable<BlobPart>;
  /** What refers to a manifest by its `subject`; only where asking is possible. */
  referrers?(digest: Digest, artifactType?: string, signal?: AbortSignal): Promise<readonly Descriptor[]>;
}

/** Where images go. */
export interface ImageDestination {
  readonly name: string;
  hasBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<boolean>;
  /** Stores a blob; what streams in must have the descriptor's size and digest. */
  putBlob(descriptor: Descriptor, chunks: ByteStream, signal?: AbortSignal): Promise<void>;
  /** Makes a blob of another source available here without moving its bytes; false where that cannot be done. */
  mountBlob?(descriptor: Descriptor, from: ImageSource, signal?: AbortSignal): Promise<boolean>;
  /** Stores a manifest or index, under a tag or name where one is given. Everything it refers to must be there. */
  putManifest(document: ResolvedDocument, reference?: string, signal?: AbortSignal): Promise<void>;
}
