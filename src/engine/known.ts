// SPDX-License-Identifier: Apache-2.0
import type { Ref } from "../metadata/ref.ts";
import { listRefs } from "../remotes/catalogue.ts";
import { listRemotes } from "../remotes/config.ts";
import { refsOf } from "../store/deployments.ts";
import { openInstallation } from "../store/installation.ts";
import { placesToRead } from "./places.ts";

/** What is known without asking anybody, for who completes a command line: it is quick, and wrong where it is stale. */

function installations() {
  return placesToRead({}).map((place) => openInstallation(place));
}

/** Refs of what is installed anywhere, whether it is damaged or not. */
export function knownRefs(): Ref[] {
  return installations().flatMap((installation) => [...refsOf(installation)]);
}

/** Names of the remotes of all installations. */
export function knownRemotes(): string[] {
  return installations().flatMap((installation) => listRemotes(installation).map(({ name }) => name));
}

/** Ids that a remote offered when it was asked last. Throws as `listRefs` where that is not known. */
export async function knownOffers(remoteName: string): Promise<string[]> {
  const ids: string[] = [];
  for (const installation of installations()) {
    const remote = listRemotes(installation).find(({ name }) => name === remoteName);
    if (remote === undefined) continue;
    const refs = await listRefs(remote, { cacheFolder: installation.path, cached: true });
    ids.push(...refs.map(({ ref }) => ref.id));
  }
  return ids;
}
