// SPDX-License-Identifier: Apache-2.0
import { createHash, hash } from "node:crypto";
import { checkCancelled } from "../../base/errors.ts";
import { splitRelativePath } from "../../base/paths.ts";
import { packZstd } from "../../sys/zstd.ts";
import type { TarEntry } from "../tar/entry.ts";
import { archiveEnd, encodeHeader, padding, type TarInput } from "../tar/write.ts";
import { encodeFooter, writeAnnotations } from "./annotations.ts";
import { type PlaceChunk, writeBody } from "./body.ts";
import { invalid } from "./invalid.ts";
import { Output } from "./output.ts";
import { formatTarSplit } from "./tarsplit.ts";
import type { Toc, TocEntry } from "./toc.ts";
import { formatToc } from "./toc-write.ts";

interface WriteOptions {
  /** zstd's, 1 to 22; 3 if not given. */
  readonly level?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What is known of a layer once it is written. */
export interface ChunkedLayer {
  /** For the layer's descriptor. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly toc: Toc;
  /** `sha256:HEX` of the packed table of contents. */
  readonly tocDigest: string;
  /** `sha256:HEX` of the archive. */
  readonly diffId: string;
  /** Bytes of the archive. */
  readonly tarSize: number;
}

const outputBytes = 256 * 1024;
/** Headers that no body parts share a frame up to this size. */
const headerFrameBytes = 1024 * 1024;
/** tar-split data is packed in frames of this size, so that it need not be in memory as a whole. */
const tarSplitFrameBytes = 64 * 1024 * 1024;

/**
 * Writes an archive, the one that `writeTar` writes, as a zstd:chunked layer of containers-storage: each chunk of each
 * body is a zstd frame, and after the archive come its table of contents, the tar-split data and a footer in frames
 * that readers of plain zstd pass over. Equal entries and level give equal bytes. For one layer only.
 */
export class ChunkedWriter {
  readonly #level: number;
  readonly #signal: AbortSignal | undefined;
  readonly #output: Output;
  readonly #tar = createHash("sha256");
  #tarSize = 0;
  /** Headers and padding that have no frame yet. */
  #between: Uint8Array[] = [];
  #betweenSize = 0;
  /** The same bytes since the last entry of the tar-split data. */
  #unsplit: Uint8Array[] = [];
  readonly #tarSplit: TarSplitPacker;
  readonly #entries: TocEntry[] = [];
  readonly #paths = new Set<string>();
  #layer: ChunkedLayer | undefined;

  constructor(options: WriteOptions = {}) {
    this.#level = options.level ?? 3;
    this.#signal = options.signal;
    this.#output = new Output(this.#level);
    this.#tarSplit = new TarSplitPacker(this.#level);
  }

  /** The layer, once `write` has ended. */
  get layer(): ChunkedLayer {
    if (this.#layer === undefined) throw new Error("The layer is not written yet");
    return this.#layer;
  }

  /**
   * The bytes of the blob. Throws ZSTD_CHUNKED_INVALID for a path that is there twice or leads out of the layer, IO
   * where a body has another size than its entry says.
   */
  async *write(inputs: Iterable<TarInput> | AsyncIterable<TarInput>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { entry, body } of inputs) {
      checkCancelled(this.#signal);
      const written = tocEntry(entry);
      this.#claimPath(written.path);
      this.#add(encodeHeader(written));
      this.#splitOff();
      if (entry.size > 0) {
        this.#flushBetween();
        const place: PlaceChunk = (content, onPlaced) => this.#output.pack(content, onPlaced);
        const bodies = writeBody(entry, body, place, (bytes) => this.#count(bytes));
        let step = await bodies.next();
        for (; step.done !== true; step = await bodies.next()) {
          checkCancelled(this.#signal);
          yield* this.#output.take(outputBytes);
        }
        const { digest, chunks, crc } = step.value;
        this.#entries.push({ ...written, digest, chunks });
        this.#tarSplit.add({ kind: "body", path: written.path, size: entry.size, crc });
        if (entry.size % 512 !== 0) this.#add(padding(entry.size));
      } else {
        this.#entries.push(written);
        this.#tarSplit.add({ kind: "body", path: written.path, size: 0, crc: undefined });
      }
      if (this.#betweenSize > headerFrameBytes) this.#flushBetween();
      yield* this.#output.take(outputBytes);
    }
    this.#add(archiveEnd);
    this.#splitOff();
    this.#flushBetween();
    yield* this.#tail();
  }

  #claimPath(path: string): void {
    const names = splitRelativePath(path)?.join("/");
    const where = `entry ${JSON.stringify(path)}`;
    if (names === undefined) invalid(where, "the path must be relative, without .., within the limits of Linux");
    if (this.#paths.has(names)) invalid(where, "a path must be there once");
    this.#paths.add(names);
  }

  #count(bytes: Uint8Array): void {
    this.#tar.update(bytes);
    this.#tarSize += bytes.length;
  }

  #add(bytes: Uint8Array): void {
    this.#count(bytes);
    this.#between.push(bytes);
    this.#betweenSize += bytes.length;
    this.#unsplit.push(bytes);
  }

  #splitOff(): void {
    this.#tarSplit.add({ kind: "bytes", bytes: Buffer.concat(this.#unsplit) });
    this.#unsplit = [];
  }

  #flushBetween(): void {
    if (this.#betweenSize > 0) this.#output.pack(Buffer.concat(this.#between));
    this.#between = [];
    this.#betweenSize = 0;
  }

  async *#tail(): AsyncGenerator<Uint8Array> {
    yield* this.#output.take(0);
    const split = this.#tarSplit.finish();
    const splitDigest = createHash("sha256");
    for (const part of split.parts) splitDigest.update(part);
    const toc: Toc = { entries: this.#entries, tarSplitDigest: `sha256:${splitDigest.digest("hex")}` };
    const json = formatToc(toc);
    const packed = packZstd(json, this.#level);
    const tocPlace = this.#output.skippable([packed], json.length);
    const splitPlace = this.#output.skippable(split.parts, split.unpackedSize);
    this.#output.skippable([encodeFooter(tocPlace, splitPlace)], 0);
    yield* this.#output.take(0);
    const tocDigest = `sha256:${hash("sha256", packed, "hex")}`;
    this.#layer = {
      annotations: writeAnnotations(tocPlace, tocDigest, splitPlace),
      toc,
      tocDigest,
      diffId: `sha256:${this.#tar.digest("hex")}`,
      tarSize: this.#tarSize,
    };
  }
}

/** The entry as readers of the archive see it. */
function tocEntry(entry: TarEntry): TocEntry {
  const { type, path, mode, uid, gid, size, mtime, xattrs } = entry;
  const isDevice = type === "character" || type === "block";
  return {
    path: type === "directory" && !path.endsWith("/") ? `${path}/` : path,
    type,
    mode,
    uid,
    gid,
    size,
    mtime,
    linkName: type === "hardlink" || type === "symlink" ? entry.linkName : "",
    xattrs,
    devMajor: isDevice ? entry.devMajor : 0,
    devMinor: isDevice ? entry.devMinor : 0,
    digest: undefined,
    chunks: [],
  };
}

/** Packs tar-split data while it comes. */
class TarSplitPacker {
  readonly #level: number;
  readonly #packed: Uint8Array[] = [];
  #lines: Uint8Array[] = [];
  #linesSize = 0;
  #position = 0;
  #unpackedSize = 0;

  constructor(level: number) {
    this.#level = level;
  }

  add(entry: Parameters<typeof formatTarSplit>[0]): void {
    const line = formatTarSplit(entry, this.#position++);
    this.#lines.push(line);
    this.#linesSize += line.length;
    if (this.#linesSize > tarSplitFrameBytes) this.#pack();
  }

  finish(): { readonly parts: readonly Uint8Array[]; readonly unpackedSize: number } {
    this.#pack();
    return { parts: this.#packed, unpackedSize: this.#unpackedSize };
  }

  #pack(): void {
    this.#unpackedSize += this.#linesSize;
    this.#packed.push(packZstd(Buffer.concat(this.#lines, this.#linesSize), this.#level));
    this.#lines = [];
    this.#linesSize = 0;
  }
}
