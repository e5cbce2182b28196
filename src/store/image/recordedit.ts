// SPDX-License-Identifier: Apache-2.0
import type { LayerEntry } from "./layers.ts";
import { encodeEntry, parseEntry } from "./record.ts";

const newLine = 10;
const hardLinkKind = 0x68;
/** A line begins with `["K","`, where K is its kind. */
const kindAt = 2;
const pathAt = 6;
/** Of `files`. */
const filesStart = 0x66;

/** So many lines of an earlier record from `first` on; -1: new ones. */
interface LineRun {
  readonly first: number;
  readonly count: number;
}

/** A record that was made of an earlier one, and what is different in it. */
export interface EditedRecord {
  /** The record, of `encodeRecord`. */
  readonly bytes: Uint8Array;
  /** What is not in it any more. */
  readonly removed: readonly LayerEntry[];
  /** What is new in it, and of what was there before the hard links, and what does not begin as `files`; in order. */
  readonly steps: readonly { readonly entry: LayerEntry; readonly isNew: boolean }[];
}

/** The bytes of a record, and where its lines begin; behind the last, where one more would. */
export class RecordLines {
  readonly bytes: Buffer;
  readonly starts: readonly number[];

  constructor(bytes: Buffer) {
    const starts = [0];
    for (let at = bytes.indexOf(newLine); at >= 0; at = bytes.indexOf(newLine, at + 1)) starts.push(at + 1);
    this.bytes = bytes;
    this.starts = starts;
  }
}

/**
 * Makes a record of the lines of an earlier one, which are not read but for those that go. Undefined where they are not as
 * the runs say, the runs do not keep their order, or a line that is read is damaged.
 */
export function editRecord(
  before: RecordLines,
  runs: readonly LineRun[],
  fresh: readonly LayerEntry[],
): EditedRecord | undefined {
  try {
    const edit = new RecordEdit(before, fresh);
    return runs.every((run) => edit.take(run)) ? edit.finish() : undefined;
  } catch {
    return undefined;
  }
}

class RecordEdit {
  readonly #before: Buffer;
  readonly #starts: readonly number[];
  readonly #fresh: readonly LayerEntry[];
  readonly #parts: Uint8Array[] = [];
  readonly #removed: LayerEntry[] = [];
  readonly #steps: { readonly entry: LayerEntry; readonly isNew: boolean }[] = [];
  /** How many lines of the earlier record, and how many new entries, were taken or passed over. */
  #lines = 0;
  #added = 0;

  constructor({ bytes, starts }: RecordLines, fresh: readonly LayerEntry[]) {
    this.#before = bytes;
    this.#starts = starts;
    this.#fresh = fresh;
  }

  /** Takes what a run says; false where it cannot be so. */
  take({ first, count }: LineRun): boolean {
    if (first < 0) {
      const entries = this.#fresh.slice(this.#added, this.#added + count);
      this.#added += count;
      this.#parts.push(Buffer.from(entries.map((entry) => `${encodeEntry(entry)}\n`).join("")));
      for (const entry of entries) this.#steps.push({ entry, isNew: true });
      return true;
    }
    if (first < this.#lines || first + count >= this.#starts.length) return false;
    this.#removeTo(first);
    for (; this.#lines < first + count; this.#lines++) {
      const start = this.#starts[this.#lines] ?? 0;
      const isPlain = this.#before[start + kindAt] !== hardLinkKind && this.#before[start + pathAt] === filesStart;
      if (!isPlain) this.#steps.push({ entry: this.#entry(this.#lines), isNew: false });
    }
    this.#parts.push(this.#before.subarray(this.#starts[first], this.#starts[first + count]));
    return true;
  }

  /** Undefined where not all new entries are in it. */
  finish(): EditedRecord | undefined {
    this.#removeTo(this.#starts.length - 1);
    if (this.#added !== this.#fresh.length) return undefined;
    return { bytes: Buffer.concat(this.#parts), removed: this.#removed, steps: this.#steps };
  }

  #removeTo(line: number): void {
    for (; this.#lines < line; this.#lines++) this.#removed.push(this.#entry(this.#lines));
  }

  #entry(line: number): LayerEntry {
    return parseEntry(this.#before.toString("utf8", this.#starts[line], this.#starts[line + 1]));
  }
}
