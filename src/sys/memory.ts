// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { libc } from "./libc.ts";

const MADV_DONTNEED = 4;

interface Mapping {
  readonly start: number;
  readonly length: number;
}

/** Mappings of files that were never written to: what is dropped of them comes back from the file. */
function cleanFileMappings(): Mapping[] {
  const result: Mapping[] = [];
  const entries = readFileSync("/proc/self/smaps", "latin1").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  for (const entry of entries) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9][0-9]*\s+\//.exec(entry);
    if (match === null || !/^Anonymous:\s+0 kB$/m.test(entry)) continue;
    const start = Number.parseInt(match[1] ?? "", 16);
    result.push({ start, length: Number.parseInt(match[2] ?? "", 16) - start });
  }
  return result;
}

/**
 * Gives back what a long-running process touched once and may never need again: garbage, and the pages of its programs'
 * files, most of which only the start needed (madvise(2)). Costs some milliseconds, and faults for what is used after all.
 */
export function releaseMemory(): void {
  Bun.gc(true);
  for (const { start, length } of cleanFileMappings()) libc.madvise(start, length, MADV_DONTNEED);
}
