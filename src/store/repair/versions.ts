// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import { readLink, swapLink } from "../deploy/links.ts";
import { removeFolder } from "../deploy/remove.ts";
import { retire } from "../deploy/retire.ts";
import { deployedCommits, readDeployment, refFolder, refsOf, tryRead } from "../deployments.ts";
import { imageFolder } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { type JournalEntry, type JournalFacts, journalFacts, noFacts } from "../journal.ts";
import { versionsToKeep } from "../kept.ts";
import type { Deployment } from "../types.ts";
import type { Findings } from "./findings.ts";
import { removeWithin } from "./removal.ts";

/** A version of a ref that should be deployed. */
export interface Version {
  readonly ref: Ref;
  readonly commit: string;
  readonly path: string;
  readonly isActive: boolean;
  /** What its `deploy.json` says; undefined where that is missing or malformed. */
  readonly deployment: Deployment | undefined;
  /** Where it came from, by its own word, that of another version of the ref, or the journal. */
  readonly origin: { readonly origin: string; readonly source: string } | undefined;
  /** When it was deployed, in seconds since the epoch, by its own word or that of the journal. */
  readonly deployedAt: number | undefined;
  /** The folders of the image that are deployed, by its own word or that of another version of the ref. */
  readonly subpaths: readonly string[] | undefined;
}

/**
 * Finds the versions that should be there, those that stayed to go back to included, mends `active` links, and removes what an interrupted install or uninstall
 * left. A ref without the link is one of those, unless the journal says that it was installed.
 */
export function findVersions(installation: Installation, findings: Findings): readonly Version[] {
  // Without a journal that can be read the folders alone must do.
  const journal = tryRead(() => journalFacts(installation)) ?? noFacts;
  return [...refsOf(installation)].flatMap((ref) => {
    const last = journal.lastOf.get(formatRef(ref));
    const commits = deployedCommits(installation, ref);
    const active = findActive(installation, findings, ref, commits, last, journal.lastOf.size > 0);
    if (active === undefined) return [];
    const all = new Set([...commits, active, ...versionsToKeep(installation, journal, ref, active)]);
    return describe(installation, ref, [...all], active, journal);
  });
}

function findActive(
  installation: Installation,
  findings: Findings,
  ref: Ref,
  commits: readonly string[],
  last: JournalEntry | undefined,
  hasJournal: boolean,
): string | undefined {
  const folder = refFolder(installation, ref);
  const link = join(folder, "active");
  const target = readLink(link);
  if (target !== undefined && isVersion(installation, target, commits, last)) return target;
  const wasInstalled = last === undefined ? !hasJournal : last.change !== "uninstall";
  const newest = newestOf(folder, commits);
  if (newest === undefined || !wasInstalled) {
    findings.add("deployment", "leftover", folder, "an install or uninstall was interrupted", () => {
      retire(
        installation,
        commits.map((commit) => join(folder, commit)),
      );
      removeFolder(installation, folder);
      removeEmptyAbove(installation, ref);
    });
    return undefined;
  }
  const chosen = last !== undefined && commits.includes(last.commit) ? last.commit : newest;
  findings.add("link", target === undefined ? "missing" : "damaged", link, `must lead to ${chosen}`, () => {
    removeWithin(installation, link);
    swapLink(chosen, link);
  });
  return chosen;
}

/**
 * Whether a link `active` names a version that was there once: it is deployed, or was deployed last, or its image is
 * here; or nothing else could be meant. It is fetched again then.
 */
function isVersion(
  installation: Installation,
  target: string,
  commits: readonly string[],
  last: JournalEntry | undefined,
): boolean {
  if (!/^[0-9a-f]{64}$/.test(target)) return false;
  if (commits.includes(target) || last?.commit === target) return true;
  return commits.length === 0 || existsSync(imageFolder(installation, target));
}

function newestOf(folder: string, commits: readonly string[]): string | undefined {
  const time = (commit: string): number => statSync(join(folder, commit)).mtimeMs;
  return [...commits].sort((left, right) => time(right) - time(left))[0];
}

/** Removes the folders of arch and id where no ref is left in them. */
function removeEmptyAbove(installation: Installation, ref: Ref): void {
  const id = join(installation.path, ref.kind, ref.id);
  const arch = join(id, ref.arch);
  if (readdirSync(arch).length === 0) removeFolder(installation, arch);
  const isLast = ![...refsOf(installation, ref.id)].some((other) => other.kind === ref.kind);
  if (isLast) removeFolder(installation, id);
}

function describe(
  installation: Installation,
  ref: Ref,
  commits: readonly string[],
  active: string,
  journal: JournalFacts,
): Version[] {
  const read = commits.map((commit) => tryRead(() => readDeployment(installation, ref, commit)));
  const other = read.find((deployment) => deployment !== undefined);
  return commits.map((commit, at) => {
    const deployment = read[at];
    const entry = journal.versions.get(`${formatRef(ref)} ${commit}`);
    const noted = entry === undefined ? undefined : { origin: entry.remote, source: entry.url };
    return {
      ref,
      commit,
      path: join(refFolder(installation, ref), commit),
      isActive: commit === active,
      deployment,
      origin: deployment ?? noted ?? other,
      deployedAt: deployment?.deployedAt ?? (entry === undefined ? undefined : Math.floor(entry.time)),
      subpaths: (deployment ?? other)?.subpaths,
    };
  });
}
