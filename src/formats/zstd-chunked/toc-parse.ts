// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { splitRelativePath } from "../../base/paths.ts";
import type { TarEntry } from "../tar/entry.ts";
import { invalid, tooLarge } from "./invalid.ts";
import { JsonReader, KeySet } from "./json.ts";
import { holeType, type Toc, type TocChunk, type TocEntry, typeNames } from "./toc.ts";
import { noFields, type RawEntry, readFields } from "./toc-fields.ts";
import { readQuickly } from "./toc-quick.ts";

const documentKeys = new KeySet(["version", "entries", "tarSplitDigest"]);
const types: ReadonlyMap<string, TarEntry["type"]> = new Map(
  (Object.keys(typeNames) as TarEntry["type"][]).map((type) => [typeNames[type], type]),
);

/**
 * Reads the JSON of a table of contents. `payloadEnd` is where the compressed bodies end in the blob: no part of it
 * may be named twice, or from there on. Paths are checked by name alone; whether an image may hold such entries is
 * asked of the policy of formats/tar. Keys that mean nothing are passed over. `isVouched`: something else says whether
 * what is made of the table is right, so that it need not be such that nobody can read it in another way.
 *
 * Throws ZSTD_CHUNKED_INVALID with the entry or offset, or LIMIT_EXCEEDED.
 */
export function parseToc(json: Uint8Array, payloadEnd: number, isVouched = false): Toc {
  let entries: TocEntry[] = [];
  const visitor = {
    begin: () => {
      entries = [];
    },
    entry: (entry: TocEntry) => entries.push(entry),
  };
  const tarSplitDigest = visitToc(json, payloadEnd, visitor, isVouched);
  return { entries, tarSplitDigest };
}

/** Takes the entries of a table one by one, so that they need not be in memory together. */
export interface TocVisitor {
  /** What came before does not count: the table is read from its start. */
  begin(): void;
  entry(entry: TocEntry): void;
}

/** As `parseToc`, for a visitor. Answers the digest of the tar-split data. Throws when entries may have been visited. */
export function visitToc(
  json: Uint8Array,
  payloadEnd: number,
  visitor: TocVisitor,
  isVouched = false,
): string | undefined {
  if (json.length > limits.chunkedTableBytes) {
    tooLarge("a table of contents", json.length, limits.chunkedTableBytes);
  }
  visitor.begin();
  const quick = new TableBuilder(payloadEnd, visitor);
  const digest = readQuickly(json, (entry) => quick.add(entry), isVouched);
  if (digest !== undefined) {
    quick.finish();
    return tarSplitDigestOf(digest);
  }
  visitor.begin();
  return readSlowly(json, new TableBuilder(payloadEnd, visitor));
}

function readSlowly(json: Uint8Array, table: TableBuilder): string | undefined {
  const reader = new JsonReader(json, "table of contents");
  let version: number | undefined;
  let tarSplitDigest = "";
  let hasEntries = false;
  reader.object(documentKeys, (key) => {
    if (key === "version") version = reader.integer();
    else if (key === "tarSplitDigest") tarSplitDigest = reader.string();
    else if (key !== "entries") reader.skip();
    else {
      hasEntries = true;
      if (!reader.isNull()) reader.array(() => table.add(readFields(reader)));
    }
  });
  reader.end();
  if (version !== 1) invalid("table of contents", `the version must be 1, not ${version}`);
  if (!hasEntries) invalid("table of contents", "there must be entries");
  const digest = tarSplitDigestOf(tarSplitDigest);
  table.finish();
  return digest;
}

function tarSplitDigestOf(text: string): string | undefined {
  if (text === "") return undefined;
  if (!isDigest(text)) invalid("tarSplitDigest", digestForm);
  return text;
}

const digestForm = "a digest must be sha256: and 64 hexadecimal digits";

function isDigest(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

type RawChunk = Pick<RawEntry, "offset" | "chunkSize" | "chunkOffset" | "chunkDigest" | "chunkType">;

interface OpenFile {
  readonly raw: RawEntry;
  readonly parts: RawChunk[];
}

/** Puts entries together from what stands in the table: a file is one entry and any number of chunks after it. */
class TableBuilder {
  readonly #payloadEnd: number;
  readonly #visitor: TocVisitor;
  readonly #paths = new Set<string>();
  #open: OpenFile | undefined;
  #count = 0;
  #contentBytes = 0;
  /** Where the last body ends in the blob. */
  #placed = 0;

  constructor(payloadEnd: number, visitor: TocVisitor) {
    this.#payloadEnd = payloadEnd;
    this.#visitor = visitor;
  }

  add(raw: RawEntry): void {
    if (++this.#count > limits.chunkedTableEntries) {
      tooLarge("a table of contents with entries", this.#count, limits.chunkedTableEntries);
    }
    if (raw.type === "chunk") {
      if (this.#open === undefined || this.#open.raw.name !== raw.name) {
        invalid(shown(raw), "a chunk must follow the file that it belongs to");
      }
      const { offset, chunkSize, chunkOffset, chunkDigest, chunkType } = raw;
      this.#open.parts.push({ offset, chunkSize, chunkOffset, chunkDigest, chunkType });
      return;
    }
    this.#close();
    const type = this.#check(raw);
    if (raw.size > 0) this.#open = { raw, parts: [raw] };
    else this.#visitor.entry(entryOf(raw, type, undefined, noChunks));
  }

  finish(): void {
    this.#close();
  }

  #check(raw: RawEntry): TarEntry["type"] {
    const type = types.get(raw.type) ?? invalid(shown(raw), `the type ${JSON.stringify(raw.type)} is not known`);
    const isLink = type === "hardlink" || type === "symlink";
    this.#claimPath(raw, type);
    if (type === "hardlink" && !(splitRelativePath(raw.linkName)?.length ?? 0)) {
      invalid(shown(raw), "the target of a hard link must be a path inside the layer, without ..");
    }
    if (isLink !== (raw.linkName !== "")) invalid(shown(raw), "links, and nothing else, must have a target");
    if (raw.linkName.includes("\0") || Buffer.byteLength(raw.linkName) > limits.symlinkTargetBytes) {
      invalid(shown(raw), "the target of a link must be at most 4095 bytes without NUL");
    }
    const isDevice = type === "character" || type === "block";
    if (!isDevice && (raw.devMajor !== 0 || raw.devMinor !== 0)) {
      invalid(shown(raw), "only devices may have device numbers");
    }
    if (raw.size > 0 && type !== "file") invalid(shown(raw), "only files may have a size");
    if (raw.size === 0) checkNoBody(raw);
    return type;
  }

  #claimPath(raw: RawEntry, type: TarEntry["type"]): void {
    const names = splitRelativePath(raw.name);
    if (names === undefined || raw.name === "") {
      invalid(shown(raw), "the name must be a relative path without .., within the limits of Linux");
    }
    if (type !== "directory" && (names.length === 0 || raw.name.endsWith("/"))) {
      invalid(shown(raw), "only a folder can have this name");
    }
    const path = names.join("/");
    if (this.#paths.has(path)) invalid(shown(raw), "a path must be there once");
    this.#paths.add(path);
  }

  #close(): void {
    if (this.#open === undefined) return;
    const { raw, parts } = this.#open;
    this.#open = undefined;
    this.#contentBytes += raw.size;
    if (this.#contentBytes > limits.layerBytes) tooLarge("content", this.#contentBytes, limits.layerBytes);
    if (!isDigest(raw.digest)) invalid(shown(raw), digestForm);
    const chunks = parts.length === 1 ? this.#single(raw) : this.#several(raw, parts);
    this.#visitor.entry(entryOf(raw, "file", raw.digest, chunks));
  }

  #single(raw: RawEntry): readonly TocChunk[] {
    const { size, offset, endOffset, digest } = raw;
    const plain = raw.chunkOffset === 0 && (raw.chunkSize === 0 || raw.chunkSize === size) && isDataOrHole(raw);
    if (!plain || (raw.chunkDigest !== "" && raw.chunkDigest !== digest)) {
      invalid(shown(raw), "what is said of its only chunk must be true of the file");
    }
    this.#place(raw, offset, endOffset);
    return [{ offset: 0, size, digest, start: offset, end: endOffset, hole: raw.chunkType === holeType }];
  }

  #several(raw: RawEntry, parts: readonly RawChunk[]): readonly TocChunk[] {
    const chunks: TocChunk[] = [];
    let offset = 0;
    for (const [index, part] of parts.entries()) {
      if (part.chunkOffset !== offset) invalid(shown(raw), `the chunk at byte ${offset} must follow the one before it`);
      if (part.chunkSize < 1 || part.chunkSize > raw.size - offset) {
        invalid(shown(raw), "the sizes of the chunks must be that of the file together");
      }
      if (!isDataOrHole(part)) invalid(shown(raw), `the type of a chunk must be "" or "zeros"`);
      if (!isDigest(part.chunkDigest)) invalid(shown(raw), digestForm);
      const end = parts[index + 1]?.offset ?? raw.endOffset;
      this.#place(raw, part.offset, end);
      const hole = part.chunkType === holeType;
      chunks.push({ offset, size: part.chunkSize, digest: part.chunkDigest, start: part.offset, end, hole });
      offset += part.chunkSize;
    }
    if (offset !== raw.size) invalid(shown(raw), "the sizes of the chunks must be that of the file together");
    return chunks;
  }

  #place(raw: RawEntry, start: number, end: number): void {
    if (start < this.#placed || end <= start || end > this.#payloadEnd) {
      const space = `${this.#placed} to ${this.#payloadEnd}`;
      invalid(shown(raw), `its bytes must be from ${space} of the blob, not ${start} to ${end}`);
    }
    this.#placed = end;
  }
}

const noChunks: readonly TocChunk[] = [];

function entryOf(
  raw: RawEntry,
  type: TarEntry["type"],
  digest: string | undefined,
  chunks: readonly TocChunk[],
): TocEntry {
  const { name: path, size, uid, gid, mtime, linkName, xattrs, devMajor, devMinor } = raw;
  const mode = raw.mode & 0o7777;
  return { path, type, mode, uid, gid, size, mtime, linkName, xattrs, devMajor, devMinor, digest, chunks };
}

const emptyDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function isDataOrHole(raw: RawChunk): boolean {
  return raw.chunkType === "" || raw.chunkType === holeType;
}

function checkNoBody(raw: RawEntry): void {
  const digestIsRight = raw.digest === "" || raw.digest === emptyDigest;
  const { chunkSize, chunkOffset, chunkDigest, chunkType } = raw;
  const bare = chunkSize === 0 && chunkOffset === 0 && chunkDigest === "" && chunkType === noFields.chunkType;
  if (!digestIsRight || !bare || raw.endOffset !== raw.offset) {
    invalid(shown(raw), "an entry without content must have no place, no chunk and no digest");
  }
}

function shown(raw: RawEntry): string {
  return `entry ${JSON.stringify(raw.name)}`;
}
