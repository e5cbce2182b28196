// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { limits } from "../base/limits.ts";
import { version } from "../base/version.ts";
import { formatRef } from "../metadata/ref.ts";
import { writeFileDurably } from "../sys/durability.ts";
import type { Installation } from "./installation.ts";
import type { Deployment } from "./types.ts";

export type Change = "deploy install" | "deploy update" | "rollback" | "uninstall";

/** One change of an installation. */
export interface JournalEntry {
  /** Seconds since the epoch, with a fraction. */
  readonly time: number;
  readonly change: Change;
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

/**
 * Appends a change, durable when this returns. Must be called under the lock for changes. A line that a crash cut short
 * is ended first, so that it spoils no other. Throws `NO_SPACE` or `IO`.
 */
function noteChange(installation: Installation, change: Change, deployment: Deployment, oldCommit: string): void {
  const { ref, origin: remote, source: url, commit } = deployment;
  const entry: JournalEntry = {
    time: Date.now() / 1000,
    change,
    ref: formatRef(ref),
    remote,
    url,
    commit,
    oldCommit,
    user: callerName(),
    tool: "dowel",
    version,
  };
  const path = journalPath(installation);
  try {
    if (append(path, `${JSON.stringify(entry)}\n`) > limits.historyBytes) shorten(path);
  } catch (error) {
    throw fileError(error, "write", path);
  }
}

/** Notes a change; where that fails the change itself does not, so that a full disk can still be made emptier. */
export function noteOrWarn(
  installation: Installation,
  change: Change,
  deployment: Deployment,
  oldCommit: string,
  report: Report = silent,
): void {
  try {
    noteChange(installation, change, deployment, oldCommit);
  } catch (error) {
    if (!isDowelError(error)) throw error;
    report({ type: "warning", text: `Not in the history: ${error.message}` });
  }
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

function callerName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "");
  }
}

/** The changes that are noted, oldest first; what cannot be read is left out. */
export function readJournal(installation: Pick<Installation, "path">): JournalEntry[] {
  let text: string;
  try {
    text = readFileSync(journalPath(installation), "utf8");
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
  const entries = readJournal(installation);
  return {
    lastOf: new Map(entries.map((entry) => [entry.ref, entry])),
    versions: new Map(entries.map((entry) => [`${entry.ref} ${entry.commit}`, entry])),
  };
}
