// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import type { Report } from "../base/events.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";
import { loadRepoFile, type RepoFile } from "../remotes/repofile.ts";
import { isRemoteName } from "../remotes/settings.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import type { Offers } from "./offers.ts";
import type { Candidate } from "./planinstall.ts";
import { findRuntimes } from "./runtimes.ts";
import type { NewRemote } from "./types.ts";

export interface RuntimeRepoSearch {
  /** Addresses of `.flatpakrepo` files that apps name for their runtimes. */
  readonly repos: readonly string[];
  readonly remotes: readonly Remote[];
  readonly offers: Offers;
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

const runtimeRepoLabel = "org.flatpak.runtime-repo";

/** The `.flatpakrepo` files that images name for their runtimes; only addresses with TLS, as the images are not trusted. */
export function runtimeReposOf(images: readonly RemoteRef[]): readonly string[] {
  const named = images.flatMap(({ labels }) => labels.get(runtimeRepoLabel) ?? []);
  return [...new Set(named)].filter((address) => address.startsWith("https://"));
}

/** A name for the remote of a `.flatpakrepo` file: that of the file, with a number where it is taken. */
function nameFor(place: string, remotes: readonly Remote[]): string {
  const base = /([^/?#]*)\.flatpakrepo(?:[?#].*)?$/.exec(place)?.[1] ?? "";
  const wanted = isRemoteName(base) ? base : "runtimes";
  const taken = new Set(remotes.map(({ name }) => name));
  for (let number = 0; ; number++) {
    const name = number === 0 ? wanted : `${wanted}-${number}`;
    if (!taken.has(name)) return name;
  }
}

function passing(name: string, { url, gpgVerify }: RepoFile): Remote {
  const flags = { priority: 0, disabled: false, noEnumerate: false, noDeps: false };
  return { name, url, ...flags, gpgVerify: gpgVerify ?? false };
}

async function load(place: string, { report, signal }: RuntimeRepoSearch): Promise<RepoFile | undefined> {
  try {
    return await loadRepoFile(place, signal);
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    report({ type: "warning", text: `${place}: ${error.message}` });
    return undefined;
  }
}

/**
 * Looks for runtimes in the remotes of `.flatpakrepo` files. A remote that has one becomes a remote of the installation
 * with it, which is said beforehand.
 */
export async function findInRuntimeRepos(
  missing: readonly Ref[],
  search: RuntimeRepoSearch,
): Promise<ReadonlyMap<string, Candidate>> {
  const found = new Map<string, Candidate>();
  for (const place of search.repos) {
    const wanted = missing.filter((ref) => !found.has(formatRef(ref)));
    const file = wanted.length === 0 ? undefined : await load(place, search);
    if (file === undefined || search.remotes.some(({ url }) => url === file.url)) continue;
    const remote = passing(nameFor(place, search.remotes), file);
    const newRemote: NewRemote = { name: remote.name, url: file.url, settings: file };
    const toCandidate = (image: RemoteRef): Candidate => ({ image, origin: remote.name, newRemote });
    const { runtimes } = await findRuntimes(wanted, {
      own: [],
      remotes: [remote],
      offers: search.offers,
      toCandidate,
    }).catch((cause: unknown) => {
      if (!isDowelError(cause)) throw cause;
      throw new DowelError(cause.code, `${place}: ${cause.message}`, { cause });
    });
    if (runtimes.size > 0)
      search.report({ type: "note", text: `The remote ${remote.name} (${file.url}) will be added` });
    for (const [ref, candidate] of runtimes) found.set(ref, candidate);
  }
  return found;
}
