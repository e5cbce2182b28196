// SPDX-License-Identifier: Apache-2.0
import { zstdCompressSync, constants as zstdConstants } from "node:zlib";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { unpackTable } from "./delta.ts";
import { unpackAtMost } from "./frame.ts";
import type { TocEntry } from "./toc.ts";
import { parseToc } from "./toc-parse.ts";

/**
 * Which entries of a layer are those of an earlier one, for whoever knows these without their table of contents. Unpacked,
 * a delta is lines of UTF-8: `entry-delta 1`; then for the entries of the new table, in order, `=FIRST COUNT`, which are so
 * many of the earlier table from FIRST on, each run behind the one before; or `+JSON`, a new entry and its chunks, as in the
 * table's array. Where a content lies in the blob, and its chunks, make no entry a new one.
 */
const head = "entry-delta 1";
const what = "delta of entries";
const [newLine, plus] = [0x0a, 0x2b];
const [opening, comma, closing] = ['{"version":1,"entries":[', ",", "]}"].map(encodeUtf8) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const level = 19;
const placeKeys = new Set(["offset", "endOffset", "chunkSize", "chunkOffset", "chunkDigest", "chunkType"]);

/** So many entries of a table that are, but for the places of their contents, those of the earlier one from `first` on; -1: new ones. */
interface EntryRun {
  readonly first: number;
  readonly count: number;
}

/** What became of the entries of a table. Nothing vouches for it but what is made of it. */
export interface EntryEdit {
  /** The entries, in order; those with a `first` ascend. */
  readonly runs: readonly EntryRun[];
  /**
   * Those of runs that begin with -1, in order. One that a version between has brought has no chunks: its place is known in
   * that version's blob alone, so that its content must come in another way.
   */
  readonly added: readonly TocEntry[];
}

/** A member of the array in a table: an entry, or a chunk of the one before it. */
interface Member {
  readonly type?: string;
  readonly [key: string]: unknown;
}

/**
 * Makes the delta from one packed table of contents to another, which were read before; undefined where it would not be
 * smaller than the new table. Throws ZSTD_CHUNKED_INVALID, COMPRESSION_INVALID.
 */
export function makeEntryDelta(from: Uint8Array, to: Uint8Array): Uint8Array | undefined {
  const earlier = new Map([...groupsOf(from)].map((members, at) => [shapeOf(members), at]));
  const entries = [...groupsOf(to)];
  const origins = ascending(entries.map((members) => earlier.get(shapeOf(members)) ?? -1));
  const lines = [head];
  for (let at = 0; at < entries.length; ) {
    const first = origins[at] ?? -1;
    let end = at + 1;
    while (first >= 0 && end < entries.length && origins[end] === first + end - at) end++;
    lines.push(first < 0 ? `+${textOf(entries[at] ?? [])}` : `=${first} ${end - at}`);
    at = end;
  }
  const text = encodeUtf8(`${lines.join("\n")}\n`);
  if (text.length > limits.tocDeltaMostBytes) return undefined;
  const packed = zstdCompressSync(text, { params: { [zstdConstants.ZSTD_c_compressionLevel]: level } });
  return packed.length < to.length ? packed : undefined;
}

function membersOf(packed: Uint8Array): readonly Member[] {
  const json = Buffer.from(unpackTable(packed, "table of contents")).toString("utf8");
  try {
    const { entries } = JSON.parse(json) as { readonly entries: readonly Member[] | null };
    return entries ?? [];
  } catch {
    return refuse("the table of contents must be JSON");
  }
}

/** The entries of a table, each with its chunks. */
function* groupsOf(packed: Uint8Array): Generator<readonly Member[]> {
  let group: Member[] = [];
  for (const member of membersOf(packed)) {
    if (member.type !== "chunk" && group.length > 0) {
      yield group;
      group = [];
    }
    group.push(member);
  }
  if (group.length > 0) yield group;
}

/** An entry without its places. */
function shapeOf([entry]: readonly Member[]): string {
  return JSON.stringify(Object.entries(entry ?? {}).filter(([key]) => !placeKeys.has(key)));
}

function textOf(members: readonly Member[]): string {
  return members.map((member) => JSON.stringify(member)).join(",");
}

/** Numbers of which as many stay as ascend; all others become -1. */
function ascending(numbers: readonly number[]): readonly number[] {
  /** For each length of a row that ascends, where the row with the lowest end has that. */
  const ends: number[] = [];
  const before = numbers.map((number, at) => {
    if (number < 0) return -1;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((numbers[ends[middle] ?? 0] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    ends[low] = at;
    return ends[low - 1] ?? -1;
  });
  const kept = numbers.map(() => -1);
  for (let at = ends.at(-1) ?? -1; at >= 0; at = before[at] ?? -1) kept[at] = numbers[at] ?? -1;
  return kept;
}

/**
 * Reads the deltas that lead from a layer to a later one, in their order. `payloadEnd` is of the later one, as for
 * `parseToc`. For where the entries of the first layer are known, and something says whether what is made of them is right.
 * Throws ZSTD_CHUNKED_INVALID, COMPRESSION_INVALID, LIMIT_EXCEEDED.
 */
export function readEntryDeltas(deltas: readonly Uint8Array[], payloadEnd: number): EntryEdit {
  let edit: EntryEdit | undefined;
  for (const [at, delta] of deltas.entries()) {
    const isLast = at === deltas.length - 1;
    const step = readEntryDelta(delta, isLast ? payloadEnd : Number.MAX_SAFE_INTEGER);
    edit = edit === undefined ? step : compose(edit, step);
  }
  if (edit === undefined) return refuse("there is none");
  if (new Set(edit.added.map(({ path }) => path)).size < edit.added.length) refuse("a path must be there once");
  return edit;
}

function readEntryDelta(delta: Uint8Array, payloadEnd: number): EntryEdit {
  const { buffer, byteOffset, byteLength } = unpackAtMost(delta, limits.tocDeltaMostBytes, what);
  const text = Buffer.from(buffer, byteOffset, byteLength);
  const runs = new Runs();
  const json: Uint8Array[] = [opening];
  let added = 0;
  for (let at = 0, line = 0; at < text.length; line++) {
    const found = text.indexOf(newLine, at);
    if (found < 0) refuse("it ends inside a line");
    if (line === 0) {
      if (text.toString("latin1", at, found) !== head) refuse(`it must begin with the line ${head}`);
    } else if (text[at] === plus) {
      if (added > 0) json.push(comma);
      json.push(text.subarray(at + 1, found));
      added++;
      runs.add(-1, 1);
    } else runs.copy(text.toString("latin1", at, found));
    at = found + 1;
  }
  if (text.length === 0) refuse("it is empty");
  const { entries } = parseToc(Buffer.concat([...json, closing]), payloadEnd);
  if (entries.length !== added) refuse("a line must have one entry");
  return { runs: runs.list, added: entries };
}

/** What a later layer's entries are of those of the first, where `earlier` is what those of the layer between them are. */
function compose(earlier: EntryEdit, later: EntryEdit): EntryEdit {
  const runs = new Runs();
  const added: TocEntry[] = [];
  const between = new Between(earlier);
  let fresh = 0;
  for (const { first, count } of later.runs) {
    if (first < 0) {
      runs.add(-1, count);
      for (const entry of later.added.slice(fresh, fresh + count)) added.push(entry);
      fresh += count;
      continue;
    }
    for (const run of between.take(first, count)) {
      runs.add(run.first, run.count);
      // its place is that in the blob of the layer between
      for (const entry of run.added) added.push({ ...entry, chunks: [] });
    }
  }
  return { runs: runs.list, added };
}

const endsEarly = "it copies entries that are not there";

/** The entries of a layer that is no longer the last, passed through once. */
class Between {
  readonly #edit: EntryEdit;
  /** The run that is next, where it begins among all entries, and how many before it are new. */
  #run = 0;
  #start = 0;
  #added = 0;

  constructor(edit: EntryEdit) {
    this.#edit = edit;
  }

  /** What the entries from one on are, which come behind those that were taken. */
  *take(first: number, count: number): Generator<EntryRun & { readonly added: readonly TocEntry[] }> {
    for (let at = first; at < first + count; ) {
      const run = this.#edit.runs[this.#run] ?? refuse(endsEarly);
      const skipped = at - this.#start;
      if (skipped >= run.count) {
        this.#run++;
        this.#start += run.count;
        this.#added += run.first < 0 ? run.count : 0;
        continue;
      }
      const taken = Math.min(first + count - at, run.count - skipped);
      const isNew = run.first < 0;
      const added = isNew ? this.#edit.added.slice(this.#added + skipped, this.#added + skipped + taken) : [];
      yield { first: isNew ? -1 : run.first + skipped, count: taken, added };
      at += taken;
    }
  }
}

/** Gathers runs, each as long as can be. */
class Runs {
  readonly list: { first: number; count: number }[] = [];
  #entries = 0;
  /** Behind what was copied. */
  #end = 0;

  /** Adds what a line says. */
  copy(line: string): void {
    const [, first, count] = (/^=(\d{1,9}) (\d{1,9})$/.exec(line) ?? []).map(Number);
    if (first === undefined || count === undefined) refuse("a line must begin with + or =");
    if (first < this.#end || count < 1) refuse("what is copied must be entries behind those before");
    this.add(first, count);
  }

  add(first: number, count: number): void {
    this.#entries += count;
    if (this.#entries > limits.chunkedTableEntries) {
      throw new DowelError("LIMIT_EXCEEDED", `${what}: there are more than ${limits.chunkedTableEntries} entries`);
    }
    if (first >= 0) this.#end = first + count;
    const last = this.list.at(-1);
    const next = last === undefined || last.first < 0 ? -1 : last.first + last.count;
    if (last !== undefined && next === first) last.count += count;
    else this.list.push({ first, count });
  }
}

function refuse(problem: string): never {
  throw new DowelError("ZSTD_CHUNKED_INVALID", `${what}: ${problem}`);
}
