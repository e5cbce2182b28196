// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { fileError } from "../../base/errors.ts";
import { compareBytes } from "../../base/text.ts";
import { compress } from "../../formats/compression/compress.ts";
import type { TarEntry } from "../../formats/tar/entry.ts";
import { type TarInput, writeTar } from "../../formats/tar/write.ts";
import { ChunkedWriter } from "../../formats/zstd-chunked/write.ts";
import type { FolderNode } from "../../store/image/tree.ts";
import { streamContent } from "../tree/read.ts";
import { type Content, contentSize, type Tree, type TreeEntry } from "../tree/types.ts";
import { MeasuredLayer } from "./measured.ts";

/** `zstd:chunked` is zstd with a table of contents, so that readers can fetch the files that they do not have. */
export type LayerCompression = "zstd:chunked" | "zstd" | "gzip";

export const defaultCompression: LayerCompression = "zstd:chunked";

export interface LayerOptions {
  readonly compression: LayerCompression;
  readonly signal: AbortSignal | undefined;
}

/** Levels measured on a tree of 600 MB: higher ones cost several times the time for a few percent. */
const levels = { gzip: 6, zstd: 3, "zstd:chunked": 3 } as const;

/** Times of all entries: 0, as OSTree has it and therefore every app that Flatpak installed. */
const noTime = { seconds: 0, nanoseconds: 0 } as const;

/** Folders of a whole root that every user of a container writes to. No app or runtime has such paths. */
const forAll: readonly string[] = ["tmp", "var/tmp"];

/** What is known of a layer when it has been written. */
export interface LayerFacts {
  /** Hex. */
  readonly diffId: string;
  /** For its descriptor. */
  readonly annotations: ReadonlyMap<string, string>;
  /** The tree that it makes alone, where somebody may use what is known of it. */
  readonly tree: FolderNode | undefined;
}

/** A layer as it streams out; its facts are known only when the stream has ended. */
export interface LayerStream {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly facts: () => LayerFacts;
}

/**
 * The bytes of a layer. Equal trees give equal bytes: entries in byte order of their paths, owner 0:0, modes 0755 and
 * 0644, time 0, hard links kept.
 */
export function streamLayer(tree: Tree, options: LayerOptions): LayerStream {
  const { compression } = options;
  return compression === "zstd:chunked" ? streamChunked(tree, options) : streamPacked(tree, compression, options);
}

function streamChunked(tree: Tree, { signal }: LayerOptions): LayerStream {
  const measured = new MeasuredLayer();
  const writer = new ChunkedWriter({
    level: levels["zstd:chunked"],
    signal,
    threaded: isLarge(tree),
    onEntry: (entry, body) => measured.add(entry, body?.verity),
  });
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    using reader = new FileReader(Buffer.allocUnsafeSlow(wholeBytes));
    yield* writer.write(watched(tarInputs(tree, reader), measured));
  }
  return {
    chunks: chunks(),
    facts: () => {
      const { diffId, annotations } = writer.layer;
      return {
        diffId: diffId.slice("sha256:".length),
        annotations: new Map(Object.entries(annotations)),
        tree: measured.tree,
      };
    },
  };
}

function streamPacked(tree: Tree, compression: "gzip" | "zstd", { signal }: LayerOptions): LayerStream {
  const hash = createHash("sha256");
  let diffId: string | undefined;
  async function* hashed(): AsyncGenerator<Uint8Array, void, undefined> {
    using reader = new FileReader();
    for await (const chunk of gathered(writeTar(tarInputs(tree, reader), { signal }))) {
      hash.update(chunk);
      yield chunk;
    }
    diffId = hash.digest("hex");
  }
  return {
    chunks: compress(hashed(), compression, levels[compression], { signal }),
    facts: () => {
      if (diffId === undefined) throw new Error("The layer has not been read to its end");
      return { diffId, annotations: new Map(), tree: undefined };
    },
  };
}

/** Joins the small chunks of the archive, because each costs a call of the hash and the compressor. */
async function* gathered(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.length;
    if (size < wholeBytes) continue;
    yield Buffer.concat(parts);
    [parts, size] = [[], 0];
  }
  if (size > 0) yield Buffer.concat(parts);
}

/** Whether there is so much to write that threads are worth their start. */
function isLarge(tree: Tree): boolean {
  let size = 0;
  for (const entry of tree.values()) {
    if (entry.kind === "file") size += contentSize(entry.content);
    if (size >= threadedBytes) return true;
  }
  return false;
}

function* watched(inputs: Iterable<TarInput>, measured: MeasuredLayer): Generator<TarInput, void, undefined> {
  for (const input of inputs) {
    measured.watch(input);
    yield input;
  }
}

function* tarInputs(tree: Tree, reader: FileReader): Generator<TarInput, void, undefined> {
  const paths = [...tree.keys()].sort(compareBytes);
  // a hard link can only name an entry before it, so of the names of a file the first in order carries the content
  const carriers = new Map<string, string>();
  for (const path of paths) {
    const entry = tree.get(path);
    if (entry === undefined) continue;
    const file = entry.kind === "hardlink" ? entry.to : path;
    const carrier = carriers.get(file);
    if (carrier === undefined || entry.kind === "directory" || entry.kind === "symlink") {
      carriers.set(file, path);
      yield toInput(path, entry.kind === "hardlink" ? tree.get(file) : entry, reader);
    } else {
      yield { entry: { ...plain(path), type: "hardlink", linkName: carrier } };
    }
  }
}

function plain(path: string): TarEntry {
  const fixed = { uid: 0, gid: 0, mtime: noTime, xattrs: new Map(), devMajor: 0, devMinor: 0 };
  return { ...fixed, path, type: "file", mode: 0o644, size: 0, linkName: "" };
}

function toInput(path: string, entry: TreeEntry | undefined, reader: FileReader): TarInput {
  if (entry?.kind === "directory") {
    return { entry: { ...plain(path), type: "directory", mode: forAll.includes(path) ? 0o1777 : 0o755 } };
  }
  if (entry?.kind === "symlink") {
    return { entry: { ...plain(path), type: "symlink", mode: 0o777, linkName: entry.target } };
  }
  if (entry?.kind !== "file") throw new Error(`${path} is another name of something that is not a file`);
  const size = contentSize(entry.content);
  const header = { ...plain(path), mode: entry.executable ? 0o755 : 0o644, size };
  if (size === 0) return { entry: header };
  return { entry: header, body: reader.read(entry.content) };
}

const wholeBytes = 1024 * 1024;
const threadedBytes = 4 * 1024 * 1024;

/**
 * Reads small contents at once, and keeps the file open as long as the contents come from the same one. With a buffer of
 * `wholeBytes` all bytes are in it, until the next are asked for: new memory would cost more than reading.
 */
class FileReader implements Disposable {
  readonly #lent: Buffer | undefined;
  #path: string | undefined;
  #fd = -1;

  constructor(lent?: Buffer) {
    this.#lent = lent;
  }

  read(content: Content): Uint8Array | AsyncIterable<Uint8Array> {
    if (content.kind === "bytes") return content.bytes;
    if (content.size > wholeBytes) return streamContent(content, this.#lent);
    const { path, offset, size } = content;
    try {
      if (this.#path !== path) this.#open(path);
      const buffer = this.#lent ?? Buffer.allocUnsafe(size);
      let at = 0;
      while (at < size) {
        const count = readSync(this.#fd, buffer, at, size - at, offset + at);
        if (count === 0) break;
        at += count;
      }
      return buffer.subarray(0, at);
    } catch (error) {
      throw fileError(error, "read", path);
    }
  }

  #open(path: string): void {
    this[Symbol.dispose]();
    this.#fd = openSync(path, "r");
    this.#path = path;
  }

  [Symbol.dispose](): void {
    if (this.#path !== undefined) closeSync(this.#fd);
    this.#path = undefined;
  }
}
