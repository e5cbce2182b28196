// SPDX-License-Identifier: Apache-2.0
import { createHash, hash } from "node:crypto";
import { checkCancelled } from "../../base/errors.ts";
import { splitRelativePath } from "../../base/paths.ts";
import { packZstd } from "../../sys/zstd.ts";
import type { TarEntry } from "../tar/entry.ts";
import { archiveEnd, encodeHeader, padding, type TarInput } from "../tar/write.ts";
import { encodeFooter, type Placed, skippableHeader, skippableHeaderBytes, writeAnnotations } from "./annotations.ts";
import { Assembly } from "./assembly.ts";
import { type Packed, pieceFlag } from "./batch.ts";
import { BodyWriter } from "./body.ts";
import { invalid } from "./invalid.ts";
import { Ledger, type OnEntry } from "./ledger.ts";
import { formatTarSplit } from "./tarsplit.ts";
import type { Toc, TocEntry } from "./toc.ts";
import { formatToc } from "./toc-write.ts";

interface WriteOptions {
  /** zstd's, 1 to 22; 3 if not given. */
  readonly level?: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether the archive is so large that threads for it are worth their start. */
  readonly threaded?: boolean;
  /** Is told of each entry; then the fs-verity digests of bodies are worked out, too. */
  readonly onEntry?: OnEntry;
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

/** Headers that no body parts share a frame up to this size. */
const headerFrameBytes = 1024 * 1024;
/** tar-split data is packed in frames of this size, so that it need not be in memory as a whole. */
const tarSplitFrameBytes = 64 * 1024 * 1024;
/** Bodies in memory are taken in parts of this size, so that not all of one is on its way at once. */
const partBytes = 1024 * 1024;

/**
 * Writes an archive, the one that `writeTar` writes, as a zstd:chunked layer of containers-storage: each chunk of each
 * body is a zstd frame, and after the archive come its table of contents, the tar-split data and a footer in frames
 * that readers of plain zstd pass over. Equal entries and level give equal bytes. For one layer only.
 */
export class ChunkedWriter {
  readonly #options: WriteOptions;
  readonly #level: number;
  readonly #ledger: Ledger;
  readonly #tarSplit: TarSplitPacker;
  readonly #paths = new Set<string>();
  #tarSize = 0;
  /** Bytes of headers and padding that have no frame yet. */
  #betweenSize = 0;
  /** What came since the last entry. */
  #unsplit: Uint8Array[] = [];
  #diffId = "";
  /** Frames that nobody has taken yet. */
  #output: { readonly room: ArrayBuffer; readonly size: number }[] = [];
  #layer: ChunkedLayer | undefined;

  constructor(options: WriteOptions = {}) {
    this.#options = options;
    this.#level = options.level ?? 3;
    this.#tarSplit = new TarSplitPacker(this.#level);
    this.#ledger = new Ledger((entry) => this.#tarSplit.add(entry), options.onEntry);
  }

  /** The layer, once `write` has ended. */
  get layer(): ChunkedLayer {
    if (this.#layer === undefined) throw new Error("The layer is not written yet");
    return this.#layer;
  }

  /**
   * The bytes of the blob, each part until the next is asked for. Throws ZSTD_CHUNKED_INVALID for a path that is there twice or leads out of the layer, IO
   * where a body has another size than its entry says.
   */
  async *write(inputs: Iterable<TarInput> | AsyncIterable<TarInput>): AsyncGenerator<Uint8Array, void, undefined> {
    const { onEntry, threaded = false, signal } = this.#options;
    const options = { level: this.#level, withVerity: onEntry !== undefined, threaded };
    await using assembly = new Assembly(options, {
      digested: ({ chunks, bodies, archive }) => {
        this.#ledger.digested(chunks, bodies);
        if (archive !== undefined) this.#diffId = `sha256:${archive}`;
      },
      packed: (packed) => this.#take(packed),
    });
    for await (const { entry, body } of inputs) {
      checkCancelled(signal);
      const toc = tocEntry(entry);
      this.#claimPath(toc.path);
      this.#add(assembly, encodeHeader(toc));
      if (entry.size === 0) this.#note(entry, toc);
      else {
        this.#endFrame(assembly);
        const writer = new BodyWriter(entry, assembly, this.#ledger);
        for await (const part of partsOf(body)) {
          checkCancelled(signal);
          writer.push(part);
          if (assembly.isFull) await assembly.room();
          yield* this.#ready(assembly);
        }
        this.#note(entry, { ...toc, chunks: writer.finish() });
        this.#tarSize += entry.size;
        if (entry.size % 512 !== 0) this.#add(assembly, padding(entry.size));
      }
      if (this.#betweenSize > headerFrameBytes) this.#endFrame(assembly);
      if (assembly.isFull) await assembly.room();
      yield* this.#ready(assembly);
    }
    this.#add(assembly, archiveEnd);
    this.#endFrame(assembly);
    await assembly.finish();
    yield* this.#ready(assembly);
    this.#tarSplit.add({ kind: "bytes", bytes: Buffer.concat(this.#unsplit) });
    yield* this.#tail();
  }

  #claimPath(path: string): void {
    const names = splitRelativePath(path)?.join("/");
    const where = `entry ${JSON.stringify(path)}`;
    if (names === undefined) invalid(where, "the path must be relative, without .., within the limits of Linux");
    if (this.#paths.has(names)) invalid(where, "a path must be there once");
    this.#paths.add(names);
  }

  /** Adds what is no part of a body. */
  #add(assembly: Assembly, bytes: Uint8Array): void {
    assembly.put(bytes, 0);
    this.#tarSize += bytes.length;
    this.#betweenSize += bytes.length;
    this.#unsplit.push(bytes);
  }

  #endFrame(assembly: Assembly): void {
    assembly.mark(pieceFlag.frameEnd);
    this.#ledger.noteFrame();
    this.#betweenSize = 0;
  }

  #note(entry: TarEntry, toc: TocEntry): void {
    const [first, ...others] = this.#unsplit;
    const between = first !== undefined && others.length === 0 ? first : Buffer.concat(this.#unsplit);
    this.#unsplit = [];
    this.#ledger.note(entry, toc, between);
  }

  #take({ room, sizes }: Packed): void {
    const before = this.#ledger.size;
    this.#ledger.packed(sizes);
    this.#output.push({ room, size: this.#ledger.size - before });
  }

  *#ready(assembly: Assembly): Generator<Uint8Array> {
    for (let next = this.#output.shift(); next !== undefined; next = this.#output.shift()) {
      if (next.size > 0) yield new Uint8Array(next.room, 0, next.size);
      assembly.giveBack(next.room);
    }
  }

  *#tail(): Generator<Uint8Array> {
    const split = this.#tarSplit.finish();
    const splitDigest = createHash("sha256");
    for (const part of split.parts) splitDigest.update(part);
    const toc: Toc = { entries: this.#ledger.entries, tarSplitDigest: `sha256:${splitDigest.digest("hex")}` };
    const json = formatToc(toc);
    const packed = packZstd(json, this.#level);
    const tocPlace: Placed = {
      offset: this.#ledger.size + skippableHeaderBytes,
      size: packed.length,
      unpackedSize: json.length,
    };
    const splitPlace: Placed = {
      offset: tocPlace.offset + tocPlace.size + skippableHeaderBytes,
      size: split.parts.reduce((sum, part) => sum + part.length, 0),
      unpackedSize: split.unpackedSize,
    };
    yield* skippable(packed);
    yield* skippable(...split.parts);
    yield* skippable(encodeFooter(tocPlace, splitPlace));
    const tocDigest = `sha256:${hash("sha256", packed, "hex")}`;
    this.#layer = {
      annotations: writeAnnotations(tocPlace, tocDigest, splitPlace),
      toc,
      tocDigest,
      diffId: this.#diffId,
      tarSize: this.#tarSize,
    };
  }
}

/** A frame that decoders pass over. */
function skippable(...parts: Uint8Array[]): Uint8Array[] {
  return [skippableHeader(parts.reduce((sum, part) => sum + part.length, 0)), ...parts];
}

function* inParts(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += partBytes) yield bytes.subarray(at, at + partBytes);
}

function partsOf(body: TarInput["body"]): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (!(body instanceof Uint8Array)) return body ?? [];
  return body.length <= partBytes ? [body] : inParts(body);
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
