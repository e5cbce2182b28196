// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { parseRef } from "../metadata/ref.ts";
import type { Installation } from "../store/installation.ts";
import { type JournalEntry, readJournal } from "../store/journal.ts";
import { shownName } from "./places.ts";

/** One line of `history`, with every column that Flatpak has. */
export interface HistoryRow {
  /** Seconds since the epoch. */
  readonly time: number;
  readonly change: string;
  readonly ref: string;
  readonly application: string;
  readonly arch: string;
  readonly branch: string;
  readonly installation: string;
  readonly remote: string;
  readonly commit: string;
  readonly "old-commit": string;
  readonly url: string;
  readonly user: string;
  readonly tool: string;
  readonly version: string;
}

export interface HistoryRange {
  /** Seconds since the epoch; both ends count. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Newest first. */
  readonly reverse?: boolean | undefined;
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * Reads a point in time: `YYYY-MM-DD`, with ` HH:MM[:SS]` behind it, in the local time zone, or so long ago as `5m`, `2h`,
 * `3days`. Seconds since the epoch. Throws `USAGE`.
 */
export function parseTime(text: string, now: number = Date.now() / 1000): number {
  const [, amount, unit = ""] =
    /^([0-9]{1,9})\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)$/.exec(text) ?? [];
  if (amount !== undefined) return now - Number(amount) * (units[unit.slice(0, 1)] ?? 1);
  const [, date, time = "00:00"] =
    /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?$/.exec(text) ?? [];
  const parsed = date === undefined ? Number.NaN : Date.parse(`${date}T${time}`) / 1000;
  if (!Number.isNaN(parsed)) return parsed;
  throw new DowelError("USAGE", `${text}: not a time; expected one like 2024-05-30, 2024-05-30 14:00, 5m, 2h or 3days`);
}

function rowOf(installation: Installation, entry: JournalEntry): HistoryRow[] {
  const { oldCommit, kept: _, ...rest } = entry;
  const shown = { ...rest, installation: shownName(installation), "old-commit": oldCommit };
  if (entry.ref === "") return [{ ...shown, application: "", arch: "", branch: "" }];
  try {
    const { id: application, arch, branch } = parseRef(entry.ref);
    return [{ ...shown, application, arch, branch }];
  } catch {
    // Not a line of ours.
    return [];
  }
}

/** What was changed in installations, oldest first unless asked otherwise. */
export function history(installations: readonly Installation[], range: HistoryRange = {}): readonly HistoryRow[] {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = range;
  const rows: HistoryRow[] = [];
  for (const installation of installations) {
    for (const entry of readJournal(installation)) {
      if (entry.time >= since && entry.time <= until) rows.push(...rowOf(installation, entry));
    }
  }
  rows.sort((left, right) => left.time - right.time);
  return range.reverse === true ? rows.reverse() : rows;
}
