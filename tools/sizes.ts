// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const hardLimit = 400;
const ninetiethLimit = 250;
const medianLimit = 120;
/** Lines of code; blank lines and comments are not counted, so that nobody saves on the security argument. */
const launcherLimit = 4350;

interface Measured {
  readonly path: string;
  readonly lines: number;
  /** Lines that are neither blank nor wholly comment. */
  readonly code: number;
  readonly licensed: boolean;
}

function countCode(text: string): number {
  return text.split("\n").filter((line) => line.trim() !== "" && !/^\s*(\/\/|\/\*|\*)/.test(line)).length;
}

function measure(patterns: readonly string[]): Measured[] {
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "--", ...patterns], {
    encoding: "utf8",
  });
  return listed
    .split("\n")
    .filter((path) => path !== "" && existsSync(path))
    .map((path) => {
      const text = readFileSync(path, "utf8");
      return {
        path,
        lines: text.split("\n").length - 1,
        code: countCode(text),
        licensed: text.slice(0, 200).includes("SPDX-License-Identifier: Apache-2.0"),
      };
    });
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

/** Holds the budget of file sizes (lines) and the licence line of every source file. */
export function checkSizes(out: { write(text: string): unknown }): {
  readonly passed: number;
  readonly failed: number;
} {
  const problems: string[] = [];
  const product = measure(["src/*.ts"]);
  const launcher = measure(["launcher/*.c", "launcher/*.h"]);
  const all = [...product, ...launcher, ...measure(["tests/*.ts", "tests/*.c", "tools/*.ts", "bench/*.ts"])];
  for (const { path, lines, licensed } of all) {
    if (lines > hardLimit) problems.push(`${path}: ${lines} lines, at most ${hardLimit} allowed`);
    if (!licensed) problems.push(`${path}: the SPDX line is missing`);
  }
  const sizes = product.map(({ lines }) => lines);
  const median = quantile(sizes, 0.5);
  const ninetieth = quantile(sizes, 0.9);
  const launcherLines = launcher.reduce((sum, { code }) => sum + code, 0);
  if (median > medianLimit) problems.push(`src: median file has ${median} lines, at most ${medianLimit} allowed`);
  if (ninetieth > ninetiethLimit)
    problems.push(`src: file at the 90th percentile has ${ninetieth} lines, at most ${ninetiethLimit} allowed`);
  if (launcherLines > launcherLimit)
    problems.push(`launcher: ${launcherLines} lines of code, at most ${launcherLimit} allowed`);
  out.write(
    `src: ${product.length} files, median ${median}, p90 ${ninetieth}; launcher: ${launcherLines} lines of code\n`,
  );
  for (const problem of problems) out.write(`${problem}\n`);
  return problems.length === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}
