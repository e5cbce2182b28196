// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../render/result.ts";
import type { Column, Row } from "../render/table.ts";
import { jsonFlag, textFlag } from "./flags.ts";

/** What commands take that show a table. */
export interface ListingFlags {
  readonly columns?: string;
  readonly json?: boolean;
}

export const listingFlags = { ...jsonFlag, columns: textFlag("Columns to show; 'help' lists them", "COLUMNS") };

/** A table, or the same as JSON. @param whenEmpty said where there are no rows */
export function listing(
  columns: readonly Column[],
  rows: readonly Row[],
  flags: ListingFlags,
  whenEmpty: string,
): Result {
  return { kind: "table", columns, rows, asked: flags.columns, json: flags.json === true, whenEmpty };
}
