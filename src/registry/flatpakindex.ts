// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { isDowelError } from "../base/errors.ts";
import { compareBytes } from "../base/text.ts";
import { decodeConfig, type ImageConfig } from "../oci/config.ts";
import { encodeMap } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { decodeDocument } from "../oci/manifest.ts";
import { isConfigType } from "../oci/mediatypes.ts";
import { isCatalogueRepository } from "../remotes/naming.ts";
import type { Context } from "./request.ts";
import type { RegistryStore } from "./store.ts";

/** Configs never change under their digest; this many are kept in memory. */
const keptConfigs = 4096;

/** Answers to so many questions are kept. */
const keptAnswers = 64;
/** An answer that is older is made again behind the back of who asks: somebody may change the folder by hand. */
const freshMilliseconds = 1000;

interface AnswerText {
  readonly body: string;
  readonly etag: string;
}

interface KeptAnswer {
  /** Of the store, when it was begun. */
  readonly version: string;
  /** performance.now() milliseconds */
  madeAt: number;
  text: Promise<AnswerText>;
}

interface IndexedImage {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly config: ImageConfig;
}

/** One tag of a repository: an image, or a list of images by platform. */
interface IndexedTag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly list: boolean;
  readonly images: readonly IndexedImage[];
}

/**
 * The index that Flatpak reads from a remote (flatpak-oci-specs, "registry-index"), made from what is in the
 * registry: `GET [/NAMESPACE]/index/static?architecture=…&os=…&tag=…&label:KEY:exists=1`.
 *
 * With `tag=latest` every ref appears once: the image tagged `latest`; for a ref that no such image has, the image
 * whose tag is the branch in its `org.flatpak.ref`.
 */
export class FlatpakIndex {
  readonly #configs = new Map<Digest, ImageConfig>();
  readonly #answers = new Map<string, KeptAnswer>();

  async respond(context: Context, namespace: string): Promise<Response> {
    const { body, etag } = await this.#answer(context, namespace);
    const headers = { etag, "content-type": "application/json", "cache-control": "no-cache" };
    if (context.request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
    return new Response(body, { headers });
  }

  /** What was answered to the same question, if nothing was pushed since; many clients ask at once. */
  async #answer({ store, url }: Context, namespace: string): Promise<AnswerText> {
    const key = `${namespace}${url.search}`;
    const version = await store.version();
    const make = (): Promise<AnswerText> => this.#make(store, namespace, url.searchParams);
    const known = this.#answers.get(key);
    if (known?.version === version) {
      const { text } = known;
      if (performance.now() - known.madeAt > freshMilliseconds) this.#renew(key, known, make());
      return await text;
    }
    const made: KeptAnswer = { version, madeAt: performance.now(), text: make() };
    this.#answers.delete(key);
    const oldest = this.#answers.keys().next();
    if (this.#answers.size >= keptAnswers && oldest.done !== true) this.#answers.delete(oldest.value);
    this.#answers.set(key, made);
    return await this.#forgetFailure(key, made);
  }

  /** Puts a new answer in the place of one that is given meanwhile. */
  #renew(key: string, known: KeptAnswer, text: Promise<AnswerText>): void {
    known.madeAt = performance.now();
    void text.then(
      () => {
        known.text = text;
      },
      () => this.#answers.delete(key),
    );
  }

  async #forgetFailure(key: string, made: KeptAnswer): Promise<AnswerText> {
    try {
      return await made.text;
    } catch (error) {
      this.#answers.delete(key);
      throw error;
    }
  }

  async #make(store: RegistryStore, namespace: string, query: URLSearchParams): Promise<AnswerText> {
    const tags = await this.#collect(store, namespace, query);
    const body = JSON.stringify({ Registry: "/", Results: results(chooseTags(tags, query.get("tag"))) });
    return { body, etag: `"${createHash("sha256").update(body).digest("hex")}"` };
  }

  /** All tags that have images that fit the query, in the order of their names. */
  async #collect(store: RegistryStore, namespace: string, query: URLSearchParams): Promise<readonly IndexedTag[]> {
    const found: IndexedTag[] = [];
    const names = (await Array.fromAsync(store.repositories())).sort(compareBytes);
    const prefix = namespace === "" ? "" : `${namespace}/`;
    for (const repository of names.filter((name) => name.startsWith(prefix) && !isCatalogueRepository(name))) {
      for (const tag of await store.tags(repository)) {
        const entry = await this.#readTag(store, repository, tag);
        const images = entry?.images.filter(({ config }) => fits(config, query)) ?? [];
        if (entry !== undefined && images.length > 0) found.push({ ...entry, images });
      }
    }
    return found;
  }

  async #readTag(store: RegistryStore, repository: string, tag: string): Promise<IndexedTag | undefined> {
    const stored = await store.manifest(repository, tag);
    if (stored === undefined) return undefined;
    const { digest, mediaType } = stored.descriptor;
    const document = decodeDocument(stored.bytes, mediaType, digest);
    const members = document.kind === "index" ? document.manifests.map((member) => member.digest) : [digest];
    const images: IndexedImage[] = [];
    for (const member of members) {
      const image = await this.#readImage(store, repository, member);
      if (image !== undefined) images.push(image);
    }
    return { repository, tag, digest, mediaType, list: document.kind === "index", images };
  }

  async #readImage(store: RegistryStore, repository: string, digest: Digest): Promise<IndexedImage | undefined> {
    const stored = await store.manifest(repository, digest);
    if (stored === undefined) return undefined;
    const { mediaType } = stored.descriptor;
    const document = decodeDocument(stored.bytes, mediaType, digest);
    if (document.kind !== "manifest" || !isConfigType(document.config.mediaType)) return undefined;
    const config = await this.#readConfig(store, document.config.digest);
    return config === undefined ? undefined : { digest, mediaType, config };
  }

  async #readConfig(store: RegistryStore, digest: Digest): Promise<ImageConfig | undefined> {
    const known = this.#configs.get(digest);
    if (known !== undefined) return known;
    try {
      const config = decodeConfig(await store.document(digest), digest);
      const oldest = this.#configs.keys().next();
      if (this.#configs.size >= keptConfigs && oldest.done !== true) this.#configs.delete(oldest.value);
      this.#configs.set(digest, config);
      return config;
    } catch (error) {
      // whoever pushed it meant it for others
      if (isDowelError(error, "OCI_MANIFEST_INVALID") || isDowelError(error, "LIMIT_EXCEEDED")) return undefined;
      throw error;
    }
  }
}

/** Whether an image is what `architecture`, `os` and `label:KEY:exists=1` or `label:KEY=VALUE` ask for. */
function fits(config: ImageConfig, query: URLSearchParams): boolean {
  const oneOf = (key: string, value: string): boolean => !query.has(key) || query.getAll(key).includes(value);
  if (!oneOf("architecture", config.architecture) || !oneOf("os", config.os)) return false;
  for (const [key, value] of query) {
    if (!key.startsWith("label:")) continue;
    const label = key.slice("label:".length);
    const exists = label.endsWith(":exists") ? label.slice(0, -":exists".length) : undefined;
    const found = config.labels.get(exists ?? label);
    if (exists === undefined ? found !== value : found === undefined) return false;
  }
  return true;
}

function chooseTags(tags: readonly IndexedTag[], wanted: string | null): readonly IndexedTag[] {
  if (wanted !== "latest") return wanted === null ? tags : tags.filter(({ tag }) => tag === wanted);
  const covered = new Set<string>();
  const take = (tag: IndexedTag, eligible: (image: IndexedImage) => boolean): IndexedTag[] => {
    const images = tag.images.filter((image) => {
      const ref = image.config.labels.get("org.flatpak.ref");
      if (!eligible(image) || (ref !== undefined && covered.has(ref))) return false;
      if (ref !== undefined) covered.add(ref);
      return true;
    });
    return images.length === 0 ? [] : [{ ...tag, images }];
  };
  const latest = tags.filter(({ tag }) => tag === "latest").flatMap((tag) => take(tag, () => true));
  const branches = tags
    .filter(({ tag }) => tag !== "latest")
    .flatMap((tag) => take(tag, (image) => branchOf(image) === tag.tag));
  return [...latest, ...branches];
}

function branchOf({ config }: IndexedImage): string | undefined {
  return config.labels.get("org.flatpak.ref")?.split("/")[3];
}

/** The entries of the index: tags of the same digest are put together. */
function results(tags: readonly IndexedTag[]): readonly object[] {
  const repositories = Map.groupBy(tags, ({ repository }) => repository);
  return [...repositories]
    .sort(([left], [right]) => compareBytes(left, right))
    .map(([name, entries]) => {
      const images: object[] = [];
      const lists: object[] = [];
      for (const same of Map.groupBy(entries, ({ digest }) => digest).values()) {
        const [entry] = same;
        if (entry === undefined) continue;
        const names = same.map(({ tag }) => tag);
        const found = entry.images.map((image) => imageEntry(image, entry.list ? [] : names));
        if (!entry.list) images.push(...found);
        else lists.push({ Digest: entry.digest, MediaType: entry.mediaType, Tags: names, Images: found });
      }
      return { Name: name, Images: images, Lists: lists };
    });
}

function imageEntry({ digest, mediaType, config }: IndexedImage, tags: readonly string[]): object {
  return {
    Tags: tags,
    Digest: digest,
    MediaType: mediaType,
    OS: config.os,
    Architecture: config.architecture,
    Annotations: {},
    Labels: encodeMap(config.labels),
  };
}
