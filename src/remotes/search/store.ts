// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatRef } from "../../metadata/ref.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { aboutOf, shownNameOf } from "../about.ts";
import { subsetsOf } from "../subsets.ts";
import type { RemoteRef } from "../types.ts";
import type { SearchEntry } from "./rank.ts";

/** The first line of the file; one of another form is made anew. */
const header = "dowel search 1";
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
    writeFileDurably(path, `${[header, ...refs.map(encode)].join("\n")}\n`);
  } catch (error) {
    if (!isFileError(error)) throw error;
  }
}

export function hasSearchIndex(folder: string, remote: string): boolean {
  return existsSync(pathOf(folder, remote));
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
    const [first, ...lines] = readFileSync(path, "utf8").split("\n");
    if (first !== header) return undefined;
    return { entries: lines.filter((line) => line !== "").map(decode), askedAt: statSync(path).mtimeMs };
  } catch (error) {
    if (isFileError(error)) return undefined;
    throw error;
  }
}
