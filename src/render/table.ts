// SPDX-License-Identifier: Apache-2.0

import { DowelError } from "../base/errors.ts";
import { escapeForTerminal } from "../base/text.ts";
import { displayWidth } from "../sys/runtime.ts";
import { toJson } from "./json.ts";

export type Row = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Column {
  /** What `--columns` takes. */
  readonly name: string;
  readonly title: string;
  readonly shownByDefault: boolean;
  readonly description: string;
  /** Left out of the default table where every row has the same value. */
  readonly hiddenWhenSame?: boolean;
  /** Text for a person; the JSON form keeps the plain value. */
  readonly format?: (value: string | number | boolean) => string;
}

/** Chooses columns as `--columns=a,b` asks: exact names first, then unambiguous beginnings; `all` is every column. */
export function chooseColumns(
  columns: readonly Column[],
  asked: string | undefined,
  rows: readonly Row[],
): readonly Column[] {
  if (asked === undefined) return columns.filter((column) => column.shownByDefault && !allSame(column, rows));
  return asked.split(",").flatMap((word) => {
    const name = word.replace(/:.*$/, "");
    return name === "all" ? columns : [findColumn(columns, name)];
  });
}

function allSame(column: Column, rows: readonly Row[]): boolean {
  return column.hiddenWhenSame === true && rows.every((row) => row[column.name] === rows[0]?.[column.name]);
}

function findColumn(columns: readonly Column[], name: string): Column {
  const exact = columns.find((column) => column.name === name);
  if (exact !== undefined) return exact;
  const [first, ...others] = columns.filter((column) => column.name.startsWith(name) && name !== "");
  if (first === undefined) {
    throw new DowelError("USAGE", `Unknown column: ${name}`, {
      hint: `Columns: ${columns.map((column) => column.name).join(", ")}`,
    });
  }
  if (others.length > 0) throw new DowelError("USAGE", `Ambiguous column: ${name}`);
  return first;
}

function cell(column: Column, row: Row): string {
  const value = row[column.name];
  if (value === undefined) return "";
  return escapeForTerminal(column.format === undefined ? String(value) : column.format(value));
}

/** Lines of a table: aligned under a header for a person, or bare cells with tabs between for a pipe. */
export function formatTable(columns: readonly Column[], rows: readonly Row[], forTerminal: boolean): string {
  const lines = rows.map((row) => columns.map((column) => cell(column, row)));
  if (!forTerminal) return lines.map((cells) => `${cells.join("\t")}\n`).join("");
  if (rows.length === 0) return "";
  lines.unshift(columns.map((column) => column.title));
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => displayWidth(cells[index] ?? ""))));
  return lines
    .map((cells) =>
      cells
        .map((text, index) => pad(text, widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

/** The key of a column in JSON: its English title in lower case with `_` for spaces, as Flatpak's are. */
function jsonKey(column: Column): string {
  return column.title.toLowerCase().replaceAll(" ", "_");
}

/** Rows as JSON: numbers and booleans stay what they are, absent values are left out. */
export function formatJson(columns: readonly Column[], rows: readonly Row[]): string {
  const objects = rows.map((row) =>
    Object.fromEntries(
      columns.flatMap((column) => (row[column.name] === undefined ? [] : [[jsonKey(column), row[column.name]]])),
    ),
  );
  return `${toJson(objects, 2)}\n`;
}

/** What `--columns=help` prints. */
export function describeColumns(columns: readonly Column[]): string {
  const width = Math.max(...columns.map(({ name }) => name.length));
  return columns.map(({ name, description }) => `  ${name.padEnd(width)}  ${description}\n`).join("");
}
