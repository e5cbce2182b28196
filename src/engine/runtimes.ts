// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { formatRef, type Ref, sameRef } from "../metadata/ref.ts";
import type { Offer } from "../remotes/select.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import type { Offers } from "./offers.ts";
import type { Candidate } from "./planinstall.ts";

export interface RuntimeSearch {
  /** Where the apps come from; looked at first. */
  readonly own: readonly Offer[];
  /** All remotes of the installation, by priority. */
  readonly remotes: readonly Remote[];
  readonly offers: Offers;
  /** How a deployment of an image of a remote notes its origin. */
  readonly toCandidate: (image: RemoteRef) => Candidate;
}

export interface FoundRuntimes {
  /** By full ref. */
  readonly runtimes: ReadonlyMap<string, Candidate>;
  /** Names of the remotes that were searched. */
  readonly searched: readonly string[];
}

function find(offer: Offer, runtime: Ref): RemoteRef | undefined {
  return offer.refs.find(({ ref }) => sameRef(ref, runtime));
}

/**
 * Looks for runtimes where the apps come from, then in the other remotes that serve dependencies, by priority, until
 * all are found. A remote that does not answer is reported and left out.
 */
export async function findRuntimes(missing: readonly Ref[], search: RuntimeSearch): Promise<FoundRuntimes> {
  const runtimes = new Map<string, Candidate>();
  const searched: string[] = [];
  const look = (offer: Offer): void => {
    if (!searched.includes(offer.remote.name)) searched.push(offer.remote.name);
    for (const ref of missing) {
      const image = runtimes.has(formatRef(ref)) ? undefined : find(offer, ref);
      if (image !== undefined) runtimes.set(formatRef(ref), search.toCandidate(image));
    }
  };
  for (const offer of search.own) look(offer);
  for (const remote of search.remotes) {
    if (runtimes.size === missing.length) break;
    if (remote.disabled || remote.noDeps || searched.includes(remote.name)) continue;
    for (const arch of new Set(missing.map((ref) => ref.arch))) {
      try {
        for (const offer of await search.offers.ofAll([remote], arch)) look(offer);
      } catch (error) {
        // Reported already; another remote may have what is missing.
        if (!isDowelError(error) || error.code === "ABORTED") throw error;
      }
    }
  }
  return { runtimes, searched };
}
