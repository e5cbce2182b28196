// SPDX-License-Identifier: Apache-2.0
import { toJson } from "./json.ts";
import { type Column, chooseColumns, describeColumns, formatJson, formatTable, type Row } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** What a command answers; the only way its words reach the user. */
export type Result =
  | { readonly kind: "nothing" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "json"; readonly value: unknown }
  | {
      readonly kind: "table";
      readonly columns: readonly Column[];
      readonly rows: readonly Row[];
      /** The words of `--columns`. */
      readonly asked: string | undefined;
      readonly json: boolean;
      /** Said on standard error where there are no rows and a person looks. */
      readonly whenEmpty?: string;
      /** Whether it is said also where nobody looks: where no rows are no answer to what was asked. */
      readonly emptyIsNews?: boolean;
    };

export const nothing: Result = { kind: "nothing" };

export function printResult(result: Result, terminal: Terminal): void {
  switch (result.kind) {
    case "nothing":
      return;
    case "text":
      terminal.out(result.text);
      return;
    case "json":
      terminal.out(`${toJson(result.value, 2)}\n`);
      return;
    case "table":
      printTable(result, terminal);
  }
}

function printTable(result: Extract<Result, { kind: "table" }>, terminal: Terminal): void {
  if (result.asked === "help") {
    terminal.out(describeColumns(result.columns));
    return;
  }
  if (result.json) {
    const columns =
      result.asked === undefined ? result.columns : chooseColumns(result.columns, result.asked, result.rows);
    terminal.out(formatJson(columns, result.rows));
    return;
  }
  const columns = chooseColumns(result.columns, result.asked, result.rows);
  terminal.out(formatTable(columns, result.rows, terminal.fancy));
  const isSaid = result.rows.length === 0 && (terminal.fancy || result.emptyIsNews === true);
  if (isSaid && result.whenEmpty !== undefined) terminal.err(`${result.whenEmpty}\n`);
}
