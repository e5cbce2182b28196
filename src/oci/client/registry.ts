// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { BlobPart } from "../../formats/zstd-chunked/answer.ts";
import type { Descriptor } from "../descriptor.ts";
import type { Digest } from "../digest.ts";
import { decodeDocument } from "../manifest.ts";
import { isIndexType, isManifestType } from "../mediatypes.ts";
import { isRepositoryName } from "../reference.ts";
import type { BlobOptions, BlobSpan, ByteRange, ImageDestination, ImageSource, ResolvedDocument } from "../source.ts";
import { type ByteStream, collect, sized, verified, verifyBytes } from "../verify.ts";
import { discard } from "./answer.ts";
import { streamBlob } from "./blobs.ts";
import { listPages } from "./lists.ts";
import { fetchManifest, headManifest, putManifest } from "./manifests.ts";
import { addFallbackReferrer, listReferrers } from "./referrers.ts";
import { streamSpans } from "./spans.ts";
import { isPlainHost } from "./tls.ts";
import { Transport, type TransportOptions } from "./transport.ts";
import { mountBlob, uploadBlob } from "./upload.ts";

/** A registry that speaks the OCI distribution API 1.1. */
export class Registry {
  readonly #transport: Transport;

  /** `baseUrl`: `http(s)://HOST[:PORT]/`, perhaps with a path before `v2/`. */
  constructor(baseUrl: string, options: TransportOptions = {}) {
    const url = new URL(baseUrl);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw new TypeError(`${baseUrl} is not http(s)`);
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    this.#transport = new Transport(url.href, options);
  }

  /**
   * The registry of a host as image names give it. This machine is spoken to in plain HTTP unless there are
   * certificates for it; any other host by HTTPS only.
   */
  static forHost(host: string, options: TransportOptions = {}): Registry {
    const name = host === "docker.io" || host === "index.docker.io" ? "registry-1.docker.io" : host;
    const plain = isPlainHost(name, options.certificateFolders);
    return new Registry(`${plain ? "http" : "https"}://${name}/`, options);
  }

  get name(): string {
    return this.#transport.name;
  }

  /** Checks that the registry is there, speaks the API, and takes the credentials. */
  async ping(signal?: AbortSignal): Promise<void> {
    const answer = await this.#transport.request({ method: "GET", url: "v2/", scopes: [], expect: [200], signal });
    await discard(answer);
  }

  /** Names of all repositories, page by page. */
  catalog(signal?: AbortSignal): AsyncIterable<readonly string[]> {
    return listPages(this.#transport, "v2/_catalog", "repositories", ["registry:catalog:*"], signal);
  }

  repository(name: string): Repository {
    const hub = this.#transport.base.host === "registry-1.docker.io" && !name.includes("/");
    return new Repository(this.#transport, hub ? `library/${name}` : name);
  }
}

/** One repository of a registry, to pull from and to push to. Made by `Registry.repository`. */
export class Repository implements ImageSource, ImageDestination {
  readonly repository: string;
  readonly transport: Transport;

  constructor(transport: Transport, repository: string) {
    if (!isRepositoryName(repository)) {
      throw new DowelError("IMAGE_REFERENCE_INVALID", `"${repository}" is not a repository name`);
    }
    this.transport = transport;
    this.repository = repository;
  }

  get name(): string {
    return `docker://${this.transport.base.host}/${this.repository}`;
  }

  async resolve(reference = "latest", signal?: AbortSignal): Promise<ResolvedDocument> {
    return fetchManifest(this.transport, this.repository, reference, signal);
  }

  /** What a tag or digest stands for; undefined where there is none. */
  async head(reference: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    return headManifest(this.transport, this.repository, reference, signal);
  }

  async fetchDocument(descriptor: Descriptor, signal?: AbortSignal): Promise<Uint8Array> {
    if (isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType)) {
      const { bytes } = await fetchManifest(this.transport, this.repository, descriptor.digest, signal);
      return verifyBytes(bytes, descriptor, `${this.name}@${descriptor.digest}`);
    }
    const what = `${this.name}: ${descriptor.digest}`;
    if (descriptor.size > limits.ociDocumentBytes) {
      throw new DowelError(
        "LIMIT_EXCEEDED",
        `${what}: ${descriptor.size} bytes, at most ${limits.ociDocumentBytes} allowed`,
      );
    }
    return collect(this.openBlob(descriptor, { signal }), limits.ociDocumentBytes, what);
  }

  openBlob(descriptor: Descriptor, options: BlobOptions = {}): ByteStream {
    const offset = options.offset ?? 0;
    const { transport, repository } = this;
    const { signal } = options;
    const what = `${this.name}: blob ${descriptor.digest}`;
    const chunks = streamBlob(transport, { repository, descriptor, offset, end: descriptor.size, signal });
    return offset === 0 ? verified(chunks, descriptor, what) : sized(chunks, descriptor.size - offset, what);
  }

  openRange(descriptor: Descriptor, { offset, length }: ByteRange, signal?: AbortSignal): ByteStream {
    const { transport, repository } = this;
    const end = offset + length;
    const chunks = streamBlob(transport, { repository, descriptor, offset, end, signal });
    return sized(chunks, length, `${this.name}: blob ${descriptor.digest}`);
  }

  openSpans(descriptor: Descriptor, spans: readonly BlobSpan[], signal?: AbortSignal): AsyncIterable<BlobPart> {
    const { transport, repository } = this;
    return streamSpans(transport, { repository, descriptor, spans, signal });
  }

  async hasBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<boolean> {
    const answer = await this.transport.request({
      method: "HEAD",
      url: `v2/${this.repository}/blobs/${descriptor.digest}`,
      scopes: [`repository:${this.repository}:pull,push`],
      expect: [200, 404],
      signal,
    });
    await discard(answer);
    return answer.response.status === 200;
  }

  async putBlob(descriptor: Descriptor, chunks: ByteStream, signal?: AbortSignal): Promise<void> {
    const checked = verified(chunks, descriptor, `${this.name}: blob ${descriptor.digest}`, signal);
    try {
      await uploadBlob(this.transport, this.repository, descriptor, checked, signal);
    } catch (error) {
      // the answer to the last request may be all that was lost
      const gone = isDowelError(error, "REGISTRY_NOT_FOUND") || isDowelError(error, "REGISTRY_UNREACHABLE");
      if (!gone || !(await this.hasBlob(descriptor, signal))) throw error;
    }
  }

  async mountBlob(descriptor: Descriptor, from: ImageSource, signal?: AbortSignal): Promise<boolean> {
    if (!(from instanceof Repository) || from.transport.base.href !== this.transport.base.href) return false;
    return mountBlob(this.transport, this.repository, descriptor, from.repository, signal);
  }

  async putManifest(document: ResolvedDocument, reference?: string, signal?: AbortSignal): Promise<void> {
    const { descriptor, bytes } = document;
    const { transport, repository } = this;
    const noted = await putManifest(transport, repository, document, reference ?? descriptor.digest, signal);
    if (noted) return;
    const parsed = decodeDocument(bytes, descriptor.mediaType, `${this.name}@${descriptor.digest}`);
    if (parsed.subject === undefined) return;
    const artifactType = parsed.artifactType ?? (parsed.kind === "manifest" ? parsed.config.mediaType : undefined);
    const referrer: Descriptor = {
      mediaType: descriptor.mediaType,
      digest: descriptor.digest,
      size: descriptor.size,
      annotations: parsed.annotations,
      ...(artifactType === undefined ? {} : { artifactType }),
    };
    await addFallbackReferrer(transport, repository, parsed.subject.digest, referrer, signal);
  }

  /** All tags, page by page. */
  tags(signal?: AbortSignal): AsyncIterable<readonly string[]> {
    const scopes = [`repository:${this.repository}:pull`];
    return listPages(this.transport, `v2/${this.repository}/tags/list`, "tags", scopes, signal);
  }

  /** What refers to a manifest by its `subject`. */
  async referrers(digest: Digest, artifactType?: string, signal?: AbortSignal): Promise<readonly Descriptor[]> {
    return listReferrers(this.transport, this.repository, digest, artifactType, signal);
  }

  /** Deletes a tag, or a manifest by its digest. */
  async deleteManifest(reference: string, signal?: AbortSignal): Promise<void> {
    const answer = await this.transport.request({
      method: "DELETE",
      url: `v2/${this.repository}/manifests/${reference}`,
      scopes: [`repository:${this.repository}:pull,push,delete`],
      expect: [202],
      signal,
    });
    await discard(answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
