// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { limits } from "../base/limits.ts";
import { version } from "../base/version.ts";
import { formatRef } from "../metadata/ref.ts";
import { writeFileDurably } from "../sys/durability.ts";
import { openPlainFile, readLines } from "../sys/plainfile.ts";
import { userName } from "../sys/username.ts";
import type { Installation } from "./installation.ts";
import type { Deployment } from "./types.ts";

const deployChanges = ["deploy install", "deploy update", "rollback", "uninstall"] as const;
export type Change = (typeof deployChanges)[number];
export type RemoteChange = "add remote" | "modify remote" | "remove remote";

/** One change of an installation, by Flatpak's names. What concerns a remote has no ref and no commits. */
export interface JournalEntry {
  /** Seconds since the epoch, with a fraction. */
  readonly time: number;
  readonly change: Change | RemoteChange | "pull oci" | "drop version";
  readonly ref: string;
  readonly remote: string;
  /** Where the image lay at its remote, as deployments note it. */
  readonly url: string;
  readonly commit: string;
  /** What was active before; empty for what was not installed. */
  readonly oldCommit: string;
  /**
   * Of a change of what is active: the versions that stay beside the new one, the one before first. So one that is not there
   * although the last line names it got lost, and one that it does not name was removed. Earlier versions of Dowel did not
   * note it.
   */
  readonly kept?: readonly string[] | undefined;
  readonly user: string;
  readonly tool: string;
  readonly version: string;
}

function journalPath(installation: Pick<Installation, "path">): string {
  return join(installation.path, "history.jsonl");
}

type What = Omit<JournalEntry, "time" | "user" | "tool" | "version">;

/**
 * Appends a change, durable when this returns; that of a pull is with the next one, of what is made of it. A line that a crash cut short is ended first, so that it spoils no other.
 * A failure is reported, and the change itself does not fail, so that a full disk can still be made emptier.
 */
function note(installation: Pick<Installation, "path">, what: What, shortens: boolean, report: Report): void {
  const entry: JournalEntry = { time: Date.now() / 1000, ...what, user: userName(), tool: "dowel", version };
  const path = journalPath(installation);
  try {
    const size = append(path, `${JSON.stringify(entry)}\n`, what.change !== "pull oci");
    if (shortens && size > limits.historyBytes) shorten(path);
  } catch (error) {
    const failure = fileError(error, "write", path);
    if (!isDowelError(failure)) throw failure;
    report({ type: "warning", text: `Not in the history: ${failure.message}` });
  }
}

/**
 * Notes a change of what is installed; `versions` are what was active before, and what stays beside what is active now.
 * Must be called under the lock for changes.
 */
export function noteOrWarn(
  installation: Installation,
  change: Change,
  deployment: Deployment,
  versions: Pick<JournalEntry, "oldCommit" | "kept">,
  report: Report = silent,
): void {
  const { ref, origin: remote, source: url, commit } = deployment;
  note(installation, { change, ref: formatRef(ref), remote, url, commit, ...versions }, true, report);
}

/** Notes that a version which is not active will never be had again. Must be called under the lock for changes. */
export function noteDropped(
  installation: Installation,
  dropped: Omit<What, "change" | "oldCommit">,
  report: Report,
): void {
  note(installation, { change: "drop version", ...dropped, oldCommit: dropped.commit }, true, report);
}

/** Notes a change of a remote. */
export function noteRemote(
  installation: Pick<Installation, "path">,
  change: RemoteChange,
  remote: { readonly name: string; readonly url: string },
): void {
  const what = { change, ref: "", remote: remote.name, url: remote.url, commit: "", oldCommit: "" };
  note(installation, what, false, silent);
}

/** Notes that an image was fetched. */
export function notePull(
  installation: Pick<Installation, "path">,
  pulled: Omit<What, "change">,
  report: Report = silent,
): void {
  note(installation, { change: "pull oci", ...pulled }, false, report);
}

/** Answers the size afterwards. */
function append(path: string, line: string, isDurable: boolean): number {
  const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o644);
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw new DowelError("STORE_INVALID", `${path}: something else lies in the place of a file`);
    const { size } = status;
    const last = Buffer.alloc(1);
    const isCut = size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
    const bytes = Buffer.from(isCut ? `\n${line}` : line);
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
    if (isDurable) fsyncSync(fd);
    return size + bytes.length;
  } finally {
    closeSync(fd);
  }
}

/** Keeps what is newest: half of what a journal may have. */
function shorten(path: string): void {
  const bytes = Buffer.alloc(limits.historyBytes / 2);
  const fd = openPlainFile(path);
  let length = 0;
  try {
    length = readSync(fd, bytes, 0, bytes.length, Math.max(0, fstatSync(fd).size - bytes.length));
  } finally {
    closeSync(fd);
  }
  writeFileDurably(path, bytes.subarray(bytes.indexOf(0x0a) + 1, length));
}

/**
 * The changes that are noted, oldest first, read as they are asked for; what cannot be read is left out, and so is a line past
 * `limits.historyLineBytes`. `newest`: only those in so many bytes at the end.
 */
export function* readJournal({ path: folder }: Pick<Installation, "path">, newest?: number): Generator<JournalEntry> {
  const path = journalPath({ path: folder });
  try {
    for (const line of readLines(path, { longest: limits.historyLineBytes, newest })) {
      const entry = decodeEntry(line);
      if (entry !== undefined) yield entry;
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "read", path);
  }
}

function decodeEntry(line: string): JournalEntry | undefined {
  try {
    const value = JSON.parse(line) as Record<string, unknown>;
    const texts = ["change", "ref", "remote", "url", "commit", "oldCommit", "user", "tool", "version"];
    if (typeof value["time"] !== "number" || !texts.every((key) => typeof value[key] === "string")) return undefined;
    if (value["kept"] !== undefined && !isListOfCommits(value["kept"])) return undefined;
    return value as unknown as JournalEntry;
  } catch {
    return undefined;
  }
}

function isListOfCommits(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string" && /^[0-9a-f]{64}$/.test(one));
}

/** The versions that stayed beside the one that became active, the one before first. */
interface KeptVersions {
  readonly active: string;
  readonly kept: readonly string[];
}

/** What the journal says of refs and their versions. */
export interface JournalFacts {
  /** The last change of each ref. */
  readonly lastOf: ReadonlyMap<string, JournalEntry>;
  /** The last change that deployed a version, or only made it active, by `REF COMMIT`. */
  readonly versions: ReadonlyMap<string, JournalEntry>;
  /** What stayed at the last change of each ref, but for what was dropped since. */
  readonly kept: ReadonlyMap<string, KeptVersions>;
}

export const noFacts: JournalFacts = { lastOf: new Map(), versions: new Map(), kept: new Map() };

/** Read of the newest part, which is all of any journal that was written here. */
export function journalFacts(installation: Pick<Installation, "path">): JournalFacts {
  const lastOf = new Map<string, JournalEntry>();
  const versions = new Map<string, JournalEntry>();
  const kept = new Map<string, KeptVersions>();
  for (const entry of readJournal(installation, 2 * limits.historyBytes)) {
    const { change, ref, commit } = entry;
    if (change === "drop version") {
      const before = kept.get(ref);
      if (before !== undefined) kept.set(ref, { ...before, kept: before.kept.filter((one) => one !== commit) });
      versions.delete(`${ref} ${commit}`);
    }
    if (!deployChanges.some((one) => one === change)) continue;
    lastOf.set(ref, entry);
    kept.set(ref, { active: commit, kept: entry.kept ?? [] });
    const name = `${ref} ${commit}`;
    // Going back to a version is not when it was deployed.
    if (change !== "rollback" || !versions.has(name)) versions.set(name, entry);
  }
  return { lastOf, versions, kept };
}
