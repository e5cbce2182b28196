// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import type { RefPattern } from "../metadata/pattern.ts";
import { parseRef } from "../metadata/ref.ts";
import { listRefs } from "../remotes/catalogue.ts";
import { listRemotes } from "../remotes/config.ts";
import { readFilter } from "../remotes/filter.ts";
import { type SearchEntry, scoreOf } from "../remotes/search/rank.ts";
import { readSearchIndex, searchEntryOf } from "../remotes/search/store.ts";
import type { Remote } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";

export interface SearchOptions {
  readonly arch?: string | undefined;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type SearchRow = Readonly<Record<string, string | number | undefined>>;

/** A remote that was asked so long ago is asked again, in milliseconds. */
const dayOld = 24 * 60 * 60 * 1000;

async function askedNow(installation: Installation, remote: Remote, options: SearchOptions): Promise<SearchEntry[]> {
  const { arch, signal } = options;
  const refs = await listRefs(remote, { arch, cacheFolder: installation.path, signal });
  return refs.map(searchEntryOf);
}

function hidden(remote: Remote, passes: RefPattern | undefined): (entry: SearchEntry) => boolean {
  const { subset } = remote;
  return ({ ref, subsets }) =>
    (subset !== undefined && !subsets.split(",").includes(subset)) || (passes !== undefined && !passes(parseRef(ref)));
}

/** What a remote offers: what is kept of it, where it was asked within a day, else what it answers now. */
async function entriesOf(installation: Installation, remote: Remote, options: SearchOptions) {
  const { arch = hostArch(), report = silent } = options;
  const kept = arch === hostArch() ? readSearchIndex(installation.path, remote.name) : undefined;
  const age = Date.now() - (kept?.askedAt ?? 0);
  // A clock that went back makes it as good as unknown when that was.
  const isFresh = kept !== undefined && age >= 0 && age < dayOld;
  if (!isFresh) {
    try {
      return await askedNow(installation, remote, options);
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      report({ type: "warning", text: error.message });
    }
  }
  const passes = remote.filter === undefined ? undefined : readFilter(remote.filter);
  const isHidden = hidden(remote, passes);
  return (kept?.entries ?? []).filter((entry) => !isHidden(entry));
}

interface Hit {
  readonly entry: SearchEntry;
  readonly score: number;
  readonly remotes: string[];
}

function toRow({ entry, remotes }: Hit): SearchRow {
  const [, application, , branch] = entry.ref.split("/");
  const { name, summary, version } = entry;
  const text = (value: string): string | undefined => (value === "" ? undefined : value);
  return { name, description: text(summary), application, version: text(version), branch, remotes: remotes.join(",") };
}

/**
 * Looks for words in what the enabled remotes offer, the best matches first: all words must fit, in names, summaries,
 * keywords or ids. A remote that does not answer is reported, and what was last heard from it counts.
 */
export async function search(
  installations: readonly Installation[],
  text: string,
  options: SearchOptions = {},
): Promise<readonly SearchRow[]> {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = new Map<string, Hit>();
  for (const installation of installations) {
    for (const remote of listRemotes(installation)) {
      if (remote.disabled || remote.noEnumerate) continue;
      for (const entry of await entriesOf(installation, remote, options)) {
        const score = scoreOf(entry, words);
        if (score === 0) continue;
        const key = `${entry.ref} ${entry.version}`;
        const known = hits.get(key);
        if (known === undefined) hits.set(key, { entry, score, remotes: [remote.name] });
        else if (!known.remotes.includes(remote.name)) known.remotes.push(remote.name);
      }
    }
  }
  return [...hits.values()]
    .sort((left, right) => right.score - left.score || (left.entry.ref < right.entry.ref ? -1 : 1))
    .map(toRow);
}
