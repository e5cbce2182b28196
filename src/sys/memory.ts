// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { libc } from "./libc.ts";

const MADV_DONTNEED = 4;
/** Of getauxval(3): the size of pages. */
const AT_PAGESZ = 6n;
/** No machine has larger pages. */
const largestPageBytes = 64 * 1024;
/** ET_EXEC of elf(5). */
const fixedProgram = 2;
/** proc_pid_pagemap(5), in the upper half of an entry: bit 61, a page of a file, 62, one in swap, and 63, one that is there. */
const ofFile = 1 << 29;
const swapped = 1 << 30;
const present = 1 << 31;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Mappings of this program's file that cannot be written to, and were not before, as some are that the loader fills. */
function readOnlyMappings(): Range[] {
  const program = readlinkSync("/proc/self/exe");
  const result: Range[] = [];
  const entries = readFileSync("/proc/self/smaps", "latin1").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  for (const entry of entries) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9][0-9]*\s+(\/.*)$/m.exec(entry);
    // What was written to and is in swap counts as no memory.
    if (match?.[3] !== program || !/^Anonymous:\s+0 kB$/m.test(entry) || !/^Swap:\s+0 kB$/m.test(entry)) continue;
    result.push({ start: Number.parseInt(match[1] ?? "", 16), end: Number.parseInt(match[2] ?? "", 16) });
  }
  return result;
}

function readAt(path: string, offset: number, length: number): DataView {
  const bytes = Buffer.alloc(length);
  const fd = openSync(path, "r");
  try {
    const count = readSync(fd, bytes, 0, length, offset);
    return new DataView(bytes.buffer, bytes.byteOffset, count);
  } finally {
    closeSync(fd);
  }
}

/**
 * Where this program's compiled TypeScript lies in memory: the section `.bun` of a program that is loaded where it was
 * linked to be (elf(5), 64 bits). Only the engine reads it, yet it lies in a mapping that could be written to.
 */
function ownCode(): Range[] {
  const self = "/proc/self/exe";
  const head = readAt(self, 0, 64);
  if (head.getUint16(16, true) !== fixedProgram) return [];
  const [table, entryBytes, count, names] = [
    Number(head.getBigUint64(40, true)),
    head.getUint16(58, true),
    head.getUint16(60, true),
    head.getUint16(62, true),
  ];
  const sections = readAt(self, table, entryBytes * count);
  const field = (section: number, at: number): number => Number(sections.getBigUint64(section * entryBytes + at, true));
  const texts = readAt(self, field(names, 24), field(names, 32));
  const text = Buffer.from(texts.buffer, texts.byteOffset, texts.byteLength).toString("latin1");
  for (let section = 0; section < count; section++) {
    if (!text.startsWith(".bun\0", sections.getUint32(section * entryBytes, true))) continue;
    const start = field(section, 16);
    const whole = (bytes: number): number => Math.floor(bytes / largestPageBytes) * largestPageBytes;
    const range = { start: whole(start + largestPageBytes - 1), end: whole(start + field(section, 32)) };
    return range.start < range.end ? [range] : [];
  }
  return [];
}

/** The kernel's auxiliary vector is pairs of numbers. Throws where it names no size. */
function pageSize(): number {
  const words = new BigUint64Array(new Uint8Array(readFileSync("/proc/self/auxv")).buffer);
  const at = words.findIndex((word, index) => index % 2 === 0 && word === AT_PAGESZ);
  const bytes = Number(words[at + 1]);
  if (at < 0 || bytes > largestPageBytes) throw new RangeError("Pages of an unknown size");
  return bytes;
}

/** Whether no page of the range is this process's own, as one would be that was written to. */
function isUnwritten({ start, end }: Range, pageBytes: number): boolean {
  const count = (end - start) / pageBytes;
  const pages = readAt("/proc/self/pagemap", (start / pageBytes) * 8, count * 8);
  for (let at = 4; at < pages.byteLength; at += 8) {
    const page = pages.getUint32(at, true);
    if ((page & swapped) !== 0 || ((page & present) !== 0 && (page & ofFile) === 0)) return false;
  }
  return pages.byteLength === count * 8;
}

interface Own {
  /** Written to by nobody yet; looked at again before each time. */
  readonly code: readonly Range[];
  readonly readOnly: readonly Range[];
  readonly pageBytes: number;
}

/** Nothing moves the program's own mappings. */
let own: Own | undefined;
/** Those that can be given back. */
let unused: readonly Range[] = [];

function findUnused(): readonly Range[] {
  try {
    own ??= { code: ownCode(), readOnly: readOnlyMappings(), pageBytes: pageSize() };
    const { code, readOnly, pageBytes } = own;
    return [...code.filter((range) => isUnwritten(range, pageBytes)), ...readOnly];
  } catch {
    // Where /proc shows less than usual, less memory is given back.
    return [];
  }
}

/**
 * Has the engine forget what it compiled and what nothing refers to, once no function runs any more: at the next pause.
 * What runs then is compiled anew.
 */
export function forgetCompiled(): void {
  // Whatever this needs must not be compiled behind it.
  unused = findUnused();
  // It does not forget while it collects garbage.
  Bun.gc(true);
  Bun.shrink();
}

/** Gives back what nothing refers to any more. */
export function releaseGarbage(): void {
  Bun.gc(true);
}

/**
 * After `forgetCompiled`: gives back the pages of this program's file, most of which only the start needed (madvise(2)).
 * What is used after all comes back from the file; 64 KiB at a time, so that little may run before the next wait.
 */
export function releaseFilePages(): void {
  for (const { start, end } of unused) libc.madvise(start, end - start, MADV_DONTNEED);
}
