// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { limits } from "../base/limits.ts";
import { version } from "../base/version.ts";
import { formatRef } from "../metadata/ref.ts";
import { writeFileDurably } from "../sys/durability.ts";
import { readPlainFile } from "../sys/plainfile.ts";
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
  readonly change: Change | RemoteChange | "pull oci";
  readonly ref: string;
  readonly remote: string;
  /** Where the image lay at its remote, as deployments note it. */
  readonly url: string;
  readonly commit: string;
  /** What was active before; empty for what was not installed. */
  readonly oldCommit: string;
  readonly user: string;
  readonly tool: string;
  readonly version: string;
}

function journalPath(installation: Pick<Installation, "path">): string {
  return join(installation.path, "history.jsonl");
}

type What = Omit<JournalEntry, "time" | "user" | "tool" | "version">;

/**
 * Appends a change, durable when this returns. A line that a crash cut short is ended first, so that it spoils no other.
 * A failure is reported, and the change itself does not fail, so that a full disk can still be made emptier.
 */
function note(installation: Pick<Installation, "path">, what: What, shortens: boolean, report: Report): void {
  const entry: JournalEntry = { time: Date.now() / 1000, ...what, user: userName(), tool: "dowel", version };
  const path = journalPath(installation);
  try {
    const size = append(path, `${JSON.stringify(entry)}\n`);
    if (shortens && size > limits.historyBytes) shorten(path);
  } catch (error) {
    const failure = fileError(error, "write", path);
    if (!isDowelError(failure)) throw failure;
    report({ type: "warning", text: `Not in the history: ${failure.message}` });
  }
}

/** Notes a change of what is installed. Must be called under the lock for changes. */
export function noteOrWarn(
  installation: Installation,
  change: Change,
  deployment: Deployment,
  oldCommit: string,
  report: Report = silent,
): void {
  const { ref, origin: remote, source: url, commit } = deployment;
  note(installation, { change, ref: formatRef(ref), remote, url, commit, oldCommit }, true, report);
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
function append(path: string, line: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  const fd = openSync(path, flags, 0o644);
  try {
    const { size } = fstatSync(fd);
    const last = Buffer.alloc(1);
    const isCut = size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
    const bytes = Buffer.from(isCut ? `\n${line}` : line);
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
    fsyncSync(fd);
    return size + bytes.length;
  } finally {
    closeSync(fd);
  }
}

/** Keeps the newer half. */
function shorten(path: string): void {
  const bytes = readFileSync(path);
  const from = bytes.indexOf(0x0a, Math.floor(bytes.length / 2)) + 1;
  writeFileDurably(path, bytes.subarray(from));
}

/** The changes that are noted, oldest first; what cannot be read is left out. */
export function readJournal(installation: Pick<Installation, "path">): JournalEntry[] {
  let text: string;
  try {
    text = readPlainFile(journalPath(installation)).toString();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError(error, "read", journalPath(installation));
  }
  return text.split("\n").flatMap((line) => decodeEntry(line) ?? []);
}

function decodeEntry(line: string): JournalEntry | undefined {
  try {
    const value = JSON.parse(line) as Record<string, unknown>;
    const texts = ["change", "ref", "remote", "url", "commit", "oldCommit", "user", "tool", "version"];
    if (typeof value["time"] !== "number" || !texts.every((key) => typeof value[key] === "string")) return undefined;
    return value as unknown as JournalEntry;
  } catch {
    return undefined;
  }
}

/** What the journal says of refs and their versions. */
export interface JournalFacts {
  /** The last change of each ref. */
  readonly lastOf: ReadonlyMap<string, JournalEntry>;
  /** The last change that made a version active, by `REF COMMIT`. */
  readonly versions: ReadonlyMap<string, JournalEntry>;
}

export function journalFacts(installation: Pick<Installation, "path">): JournalFacts {
  const isDeploy = ({ change }: JournalEntry): boolean => deployChanges.some((one) => one === change);
  const entries = readJournal(installation).filter(isDeploy);
  return {
    lastOf: new Map(entries.map((entry) => [entry.ref, entry])),
    versions: new Map(entries.map((entry) => [`${entry.ref} ${entry.commit}`, entry])),
  };
}
