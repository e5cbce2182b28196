// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { DowelError } from "../../src/base/errors.ts";
import { nearestWord } from "../../src/base/suggest.ts";
import { formatError, formatErrorJson } from "../../src/render/error.ts";
import { toJson } from "../../src/render/json.ts";
import { humanReporter, jsonReporter } from "../../src/render/reporter.ts";
import { printResult } from "../../src/render/result.ts";
import { formatSize } from "../../src/render/size.ts";
import { type Column, chooseColumns, formatJson, formatTable } from "../../src/render/table.ts";
import type { Terminal } from "../../src/render/terminal.ts";

class Recorder implements Terminal {
  readonly width = 80;
  readonly canAsk = false;
  readonly fancy: boolean;
  readonly live: boolean;
  written = "";
  errors = "";

  constructor(fancy: boolean) {
    this.fancy = fancy;
    this.live = fancy;
  }

  out(text: string): void {
    this.written += text;
  }

  err(text: string): void {
    this.errors += text;
  }
}

const columns: readonly Column[] = [
  { name: "name", title: "Name", shownByDefault: true, description: "Name" },
  { name: "application", title: "Application ID", shownByDefault: true, description: "Id" },
  { name: "arch", title: "Architecture", shownByDefault: true, hiddenWhenSame: true, description: "Arch" },
  { name: "active", title: "Active commit", shownByDefault: false, description: "Commit" },
  {
    name: "size",
    title: "Size",
    shownByDefault: false,
    description: "Size",
    format: (value) => formatSize(Number(value)),
  },
];
const rows = [
  { name: "Hällo", application: "org.a.B", arch: "x86_64", size: 1500 },
  { name: "x\u001b[31m", application: "org.c.D", arch: "x86_64", size: 3 },
];

describe("tables", () => {
  test("formatTable() writes bare cells for a pipe and aligned ones for a person, without control characters", () => {
    const [name, application] = columns;
    if (name === undefined || application === undefined) throw new Error("columns are missing");
    expect(formatTable([name, application], rows, false)).toBe("Hällo\torg.a.B\nx\\u{1b}[31m\torg.c.D\n");
    const lines = formatTable([name, application], rows, true).split("\n");
    expect(lines[0]).toBe("Name         Application ID");
    expect(lines[1]).toBe("Hällo        org.a.B");
  });

  test("chooseColumns() hides what is the same in every row, unless it is asked for", () => {
    expect(chooseColumns(columns, undefined, rows).map(({ name }) => name)).toEqual(["name", "application"]);
    expect(chooseColumns(columns, "arch,name", rows).map(({ name }) => name)).toEqual(["arch", "name"]);
    expect(chooseColumns(columns, "app:f", rows).map(({ name }) => name)).toEqual(["application"]);
    expect(chooseColumns(columns, "all", rows)).toEqual([...columns]);
    expect(() => chooseColumns(columns, "a", rows)).toThrow("Ambiguous column: a");
    expect(() => chooseColumns(columns, "zz", rows)).toThrow("Unknown column: zz");
  });

  test("formatJson() has Flatpak's keys and leaves out what is absent", () => {
    expect(JSON.parse(formatJson(columns, [{ application: "org.a.B", size: 1500 }]))).toEqual([
      { application_id: "org.a.B", size: 1500 },
    ]);
  });

  test("printResult() answers JSON, help of columns, and says on standard error that there is nothing", () => {
    const terminal = new Recorder(true);
    const result = {
      kind: "table",
      columns,
      rows: [],
      asked: undefined,
      json: false,
      whenEmpty: "Nothing here",
    } as const;
    printResult(result, terminal);
    expect(terminal).toMatchObject({ written: "", errors: "Nothing here\n" });
    printResult({ ...result, asked: "help" }, terminal);
    expect(terminal.written).toContain("application");
    const piped = new Recorder(false);
    printResult({ ...result, json: true }, piped);
    expect(piped).toMatchObject({ written: "[]\n", errors: "" });
    printResult({ ...result, emptyIsNews: true }, piped);
    expect(piped.errors).toBe("Nothing here\n");
  });
});

test("formatSize() counts in thousands", () => {
  expect([0, 1, 999, 1000, 1500, 999_949, 999_950, 2_500_000_000].map(formatSize)).toEqual([
    "0\u00a0bytes",
    "1\u00a0byte",
    "999\u00a0bytes",
    "1.0\u00a0kB",
    "1.5\u00a0kB",
    "999.9\u00a0kB",
    "1.0\u00a0MB",
    "2.5\u00a0GB",
  ]);
});

test("formatError() shows message and hint, escaped, without a stack", () => {
  const error = new DowelError("IO", "Cannot read /a\u001b]0;x", { hint: "Try again" });
  expect(formatError(error)).toBe("error: Cannot read /a\\u{1b}]0;x [IO]\nhint: Try again\n");
  expect(JSON.parse(formatErrorJson(error))).toEqual({
    error: { code: "IO", message: "Cannot read /a\u001b]0;x", hint: "Try again" },
  });
});

test("toJson() is JSON of the same value, without what a terminal would obey", () => {
  const value = { text: "a\u001b[2J\u009b\u202e\u2028\u{e0001}\n\u{1f600}ä", list: [1, "\u007f"] };
  for (const indent of [undefined, 2]) {
    const text = toJson(value, indent);
    expect(JSON.parse(text)).toEqual(value);
    expect(text).not.toMatch(/[\u001b\u007f-\u009f\u2028-\u202e\u{e0001}]/u);
    expect(text).toContain("\u{1f600}ä");
  }
});

describe("reporters", () => {
  test("humanReporter() shows progress in place and clears it before a line", () => {
    const terminal = new Recorder(true);
    using reporter = humanReporter(terminal);
    reporter.report({ type: "fetch.start", name: "a", size: 100 });
    reporter.report({ type: "fetch.progress", name: "a", done: 50, size: 100 });
    reporter.report({ type: "warning", text: "careful\u001b" });
    expect(terminal.errors).toContain("\r\u001b[K");
    expect(terminal.errors.endsWith("\r\u001b[Kwarning: careful\\u{1b}\n")).toBe(true);
    expect(terminal.written).toBe("");
  });

  test("humanReporter() shows no progress where there is no terminal", () => {
    const terminal = new Recorder(false);
    using reporter = humanReporter(terminal);
    reporter.report({ type: "fetch.progress", name: "a", done: 50, size: 100 });
    expect(terminal.errors).toBe("");
  });

  test.each([
    ["install", "Installing"],
    ["switch", "Changing the version of"],
    ["fold", "fold"],
  ])("humanReporter() has words for the operation %s", (operation, words) => {
    const terminal = new Recorder(false);
    using reporter = humanReporter(terminal);
    reporter.report({ type: "operation.start", operation, ref: "app/a.b.C" });
    expect(terminal.errors).toBe(`${words} app/a.b.C\n`);
  });

  test("jsonReporter() writes one object a line", () => {
    const terminal = new Recorder(false);
    using reporter = jsonReporter(terminal);
    reporter.report({ type: "note", text: "x" });
    expect(terminal.written).toBe('{"type":"note","text":"x"}\n');
  });
});

test("nearestWord() suggests what is near and nothing else", () => {
  expect(nearestWord("instal", ["install", "list"])).toBe("install");
  expect(nearestWord("lsit", ["install", "list"])).toBe("list");
  expect(nearestWord("frobnicate", ["install", "list"])).toBeUndefined();
});

test("formatError() tells of a full disk without a stack, whoever met it, and of mistakes with one", () => {
  const full = Object.assign(new Error("ENOSPC: no space left on device, open '/a/b'"), {
    code: "ENOSPC",
    path: "/a/b",
  });
  expect(formatError(full)).toMatch(/^error: Cannot write \/a\/b: no space is left \[NO_SPACE\]\nhint: /);
  expect(JSON.parse(formatErrorJson(full))).toMatchObject({ error: { code: "NO_SPACE" } });
  expect(formatError(new TypeError("x is not a function"))).toContain("internal error");
});
