// SPDX-License-Identifier: Apache-2.0
import { readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DowelError, errnoOf } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, isDigest } from "../oci/digest.ts";
import { makeFolder, putMark, writeFileDurably } from "../oci/durable.ts";
import { decodeDocument, type OciDocument } from "../oci/manifest.ts";
import { isIndexType, isManifestType } from "../oci/mediatypes.ts";
import { isRepositoryName, isTag } from "../oci/reference.ts";
import { Failure } from "./failure.ts";
import { digestOfReferrerName, namesIn, Places, putFile, readTextFile, removeFile, sizeOfFile } from "./places.ts";
import { Uploads } from "./uploads.ts";

export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** The contents of a registry's folder. Names, tags and digests that come here are well formed. */
export class RegistryStore {
  readonly places: Places;
  readonly uploads: Uploads;
  /** Changes to the manifests of one repository, one after the other. */
  readonly #changes = new Map<string, Promise<unknown>>();
  /** Changes that went through here. */
  #changed = 0;

  constructor(folder: string) {
    this.places = new Places(folder);
    this.uploads = new Uploads(this.places);
  }

  /** Another text after every change to a manifest or tag that a registry made in the folder, this one or another. */
  async version(): Promise<string> {
    return `${this.#changed} ${(await readTextFile(this.places.changed())) ?? ""}`;
  }

  /** Size of a blob that the repository may serve. */
  async blobSize(repository: string, digest: Digest): Promise<number | undefined> {
    if ((await sizeOfFile(this.places.blobLink(repository, digest))) === undefined) return undefined;
    return sizeOfFile(this.places.blob(digest));
  }

  /** Lets a repository serve a blob of another one; false where that one does not have it. */
  async mount(repository: string, digest: Digest, from: string): Promise<boolean> {
    if ((await this.blobSize(from, digest)) === undefined) return false;
    await putMark(this.places.blobLink(repository, digest));
    return true;
  }

  async unlinkBlob(repository: string, digest: Digest): Promise<boolean> {
    return removeFile(this.places.blobLink(repository, digest));
  }

  /** What a tag or digest stands for in a repository. */
  async manifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const digest = isDigest(reference) ? reference : await this.tagged(repository, reference);
    if (digest === undefined) return undefined;
    const mediaType = await readTextFile(this.places.manifestLink(repository, digest));
    if (mediaType === undefined) return undefined;
    const bytes = await this.document(digest);
    if (bytes.byteLength === 0) return undefined;
    return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes };
  }

  async tagged(repository: string, tag: string): Promise<Digest | undefined> {
    const text = await readTextFile(this.places.tag(repository, tag));
    return text !== undefined && isDigest(text) ? text : undefined;
  }

  /** The bytes of a config or manifest that is known to be there; empty where it has gone meanwhile. */
  async document(digest: Digest): Promise<Uint8Array> {
    const size = (await sizeOfFile(this.places.blob(digest))) ?? 0;
    if (size > limits.ociDocumentBytes) throw new DowelError("LIMIT_EXCEEDED", `${digest}: ${size} bytes`);
    return size === 0 ? new Uint8Array() : readFile(this.places.blob(digest));
  }

  /** Stores a manifest whose bytes have the descriptor's digest; everything it refers to must be there. */
  async putManifest(
    repository: string,
    { descriptor, bytes }: StoredManifest,
    tag: string | undefined,
  ): Promise<OciDocument> {
    const document = decodeDocument(bytes, descriptor.mediaType, `manifest ${descriptor.digest}`);
    await this.#changing(repository, async () => {
      await this.#checkReferences(repository, document);
      const path = this.places.blob(descriptor.digest);
      if ((await sizeOfFile(path)) !== bytes.byteLength) {
        await makeFolder(dirname(path));
        await writeFileDurably(path, bytes);
      }
      if (document.subject !== undefined) {
        await putMark(this.places.referrer(repository, document.subject.digest, descriptor.digest));
      }
      await putFile(this.places.manifestLink(repository, descriptor.digest), descriptor.mediaType);
      if (tag !== undefined) await putFile(this.places.tag(repository, tag), descriptor.digest);
    });
    return document;
  }

  async deleteTag(repository: string, tag: string): Promise<boolean> {
    return this.#changing(repository, () => removeFile(this.places.tag(repository, tag)));
  }

  /** Deletes a manifest and the tags that stand for it. */
  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    return this.#changing(repository, async () => {
      const stored = await this.manifest(repository, digest);
      if (stored === undefined) return false;
      for (const tag of await this.tags(repository)) {
        if ((await this.tagged(repository, tag)) === digest) await removeFile(this.places.tag(repository, tag));
      }
      const { subject } = decodeDocument(stored.bytes, stored.descriptor.mediaType, digest);
      if (subject !== undefined) await removeFile(this.places.referrer(repository, subject.digest, digest));
      return removeFile(this.places.manifestLink(repository, digest));
    });
  }

  /** The tags of a repository in byte order. */
  async tags(repository: string): Promise<readonly string[]> {
    return (await namesIn(this.places.tags(repository))).filter(isTag);
  }

  async referrers(repository: string, subject: Digest): Promise<readonly Digest[]> {
    const names = await namesIn(this.places.referrers(repository, subject));
    return names.flatMap((name) => digestOfReferrerName(name) ?? []);
  }

  async hasRepository(name: string): Promise<boolean> {
    return (await namesIn(join(this.places.repository(name), "_manifests"))).length > 0;
  }

  /** All repositories that ever held a manifest, in the order of a walk through their folders. */
  async *repositories(below = ""): AsyncGenerator<string, void, undefined> {
    for (const part of await namesIn(this.places.repository(below))) {
      const name = below === "" ? part : `${below}/${part}`;
      if (!isRepositoryName(name)) continue;
      if (await this.hasRepository(name)) yield name;
      yield* this.repositories(name);
    }
  }

  async #checkReferences(repository: string, document: OciDocument): Promise<void> {
    const missing = (digest: Digest): Failure =>
      new Failure("MANIFEST_BLOB_UNKNOWN", `the manifest refers to ${digest}, which is not in ${repository}`);
    if (document.kind === "manifest") {
      for (const { digest, mediaType } of [document.config, ...document.layers]) {
        // layers that may not be distributed are fetched from elsewhere
        if (/nondistributable|foreign/.test(mediaType)) continue;
        if ((await this.blobSize(repository, digest)) === undefined) throw missing(digest);
      }
      return;
    }
    for (const { digest, mediaType } of document.manifests) {
      const known = isManifestType(mediaType) || isIndexType(mediaType);
      const path = known ? this.places.manifestLink(repository, digest) : this.places.blobLink(repository, digest);
      if ((await sizeOfFile(path)) === undefined) throw missing(digest);
    }
  }

  /** Tells other registries of the folder. That is not durable, and where it fails (a full disk), they see it later. */
  async #noteChange(): Promise<void> {
    this.#changed++;
    const path = this.places.changed();
    const name = `${process.pid}-${process.hrtime.bigint()}`;
    try {
      await writeFile(`${path}.${name}`, name);
      await rename(`${path}.${name}`, path);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }

  async #changing<T>(repository: string, work: () => Promise<T>): Promise<T> {
    const before = this.#changes.get(repository) ?? Promise.resolve();
    const turn = before.then(work, work).finally(() => this.#noteChange());
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#changes.get(repository) === settled) this.#changes.delete(repository);
      });
    this.#changes.set(repository, settled);
    return turn;
  }
}
