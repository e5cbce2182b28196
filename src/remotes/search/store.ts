// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { formatRef } from "../../metadata/ref.ts";
import { writeCache } from "../../sys/durability.ts";
import { aboutOf, shownNameOf } from "../about.ts";
import { subsetsOf } from "../subsets.ts";
import type { RemoteRef } from "../types.ts";
import type { SearchEntry } from "./rank.ts";

/**
 * The first line of the file says how many bytes follow: one that a power cut left empty or cut short is made anew, as one of
 * another form.
 */
const header = "dowel search 2";
const firstLine = new RegExp(`^${header} ([0-9]{1,10})\\n`);
const headerBytes = header.length + 12;
const fields = ["ref", "name", "version", "summary", "keywords", "subsets"] as const satisfies (keyof SearchEntry)[];

/** `folder` is that of an installation. */
function pathOf(folder: string, remote: string): string {
  return join(folder, "oci", `${remote}.search`);
}

/** What can be searched of an offered image. */
export function searchEntryOf(image: RemoteRef): SearchEntry {
  const about = aboutOf(image);
  const { version = "", summary = "", keywords = "" } = about;
  const ref = formatRef(image.ref);
  const name = shownNameOf(about, image.ref.id);
  return { ref, name, version, summary, keywords, subsets: subsetsOf(image.labels).join(",") };
}

function encode(image: RemoteRef): string {
  const entry = searchEntryOf(image);
  return fields.map((field) => entry[field].replace(/[\t\r\n]/g, " ")).join("\t");
}

function decode(line: string): SearchEntry {
  const [ref = "", name = "", version = "", summary = "", keywords = "", subsets = ""] = line.split("\t");
  return { ref, name, version, summary, keywords, subsets };
}

/** Whether an error is one of the file system's, after which a search costs a request more. */
function isFileError(error: unknown): boolean {
  return error instanceof Error && "code" in error && "syscall" in error;
}

/** Keeps what can be searched of a remote: one line a ref. Failing to (another user's installation) does not matter. */
export function writeSearchIndex(folder: string, remote: string, refs: readonly RemoteRef[]): void {
  const path = pathOf(folder, remote);
  try {
    mkdirSync(dirname(path), { recursive: true });
    const text = refs.map((ref) => `${encode(ref)}\n`).join("");
    writeCache(path, `${header} ${Buffer.byteLength(text)}\n${text}`);
  } catch (error) {
    if (!isFileError(error)) throw error;
  }
}

/** Where the lines begin of a file of so many bytes, by its first bytes; undefined for what is no such file, or not whole. */
function startOfLines(first: Buffer, size: number): number | undefined {
  const [line = "", count] = firstLine.exec(first.toString("latin1", 0, headerBytes)) ?? [];
  return count !== undefined && line.length + Number(count) === size ? line.length : undefined;
}

/** Whether something usable is kept of a remote. */
export function hasSearchIndex(folder: string, remote: string): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(pathOf(folder, remote), constants.O_RDONLY);
    const first = Buffer.alloc(headerBytes);
    return startOfLines(first.subarray(0, readSync(fd, first)), fstatSync(fd).size) !== undefined;
  } catch (error) {
    if (isFileError(error)) return false;
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Notes that the remote was asked and had nothing new. */
export function touchSearchIndex(folder: string, remote: string): void {
  try {
    utimesSync(pathOf(folder, remote), new Date(), new Date());
  } catch (error) {
    if (!isFileError(error)) throw error;
  }
}

export function removeSearchIndex(folder: string, remote: string): void {
  rmSync(pathOf(folder, remote), { force: true });
}

/** What was kept of a remote, and when it was last asked in milliseconds since 1970. */
export interface StoredSearchIndex {
  readonly entries: readonly SearchEntry[];
  readonly askedAt: number;
}

/** What is kept of a remote; undefined where nothing is, or nothing usable. */
export function readSearchIndex(folder: string, remote: string): StoredSearchIndex | undefined {
  const path = pathOf(folder, remote);
  try {
    const bytes = readFileSync(path);
    const start = startOfLines(bytes, bytes.length);
    if (start === undefined) return undefined;
    const lines = bytes.toString("utf8", start).split("\n");
    return { entries: lines.filter((line) => line !== "").map(decode), askedAt: statSync(path).mtimeMs };
  } catch (error) {
    if (isFileError(error)) return undefined;
    throw error;
  }
}
