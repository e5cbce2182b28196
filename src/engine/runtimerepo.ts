// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import type { Report } from "../base/events.ts";
import { loadRepoFile, type RepoFile } from "../remotes/repofile.ts";
import { isRemoteName } from "../remotes/settings.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import type { NewRemote } from "./types.ts";

export interface RuntimeRepoContext {
  /** The remotes that are there already. */
  readonly remotes: readonly Remote[];
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** A remote that apps name for their runtimes, not configured yet. */
export interface RuntimeRepo {
  readonly remote: Remote;
  readonly newRemote: NewRemote;
}

const runtimeRepoLabel = "org.flatpak.runtime-repo";

/** The `.flatpakrepo` files that images name for their runtimes; only addresses with TLS, as the images are not trusted. */
export function runtimeReposOf(images: readonly RemoteRef[]): readonly string[] {
  const named = images.flatMap(({ labels }) => labels.get(runtimeRepoLabel) ?? []);
  return [...new Set(named)].filter((address) => address.startsWith("https://"));
}

/** A name for the remote of a `.flatpakrepo` file: that of the file, with a number where it is taken. */
function nameFor(place: string, taken: ReadonlySet<string>): string {
  const base = /([^/?#]*)\.flatpakrepo(?:[?#].*)?$/.exec(place)?.[1] ?? "";
  const wanted = isRemoteName(base) ? base : "runtimes";
  for (let number = 0; ; number++) {
    const name = number === 0 ? wanted : `${wanted}-${number}`;
    if (!taken.has(name)) return name;
  }
}

async function load(place: string, { report, signal }: RuntimeRepoContext): Promise<RepoFile | undefined> {
  try {
    return await loadRepoFile(place, signal);
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    report({ type: "warning", text: `${place}: ${error.message}` });
    return undefined;
  }
}

/** Reads `.flatpakrepo` files and names the remotes that they would make; those that are there already are left out. */
export async function loadRuntimeRepos(
  places: readonly string[],
  context: RuntimeRepoContext,
): Promise<readonly RuntimeRepo[]> {
  const found: RuntimeRepo[] = [];
  for (const place of places) {
    const file = await load(place, context);
    const known = [...context.remotes, ...found.map(({ remote }) => remote)];
    if (file === undefined || known.some(({ url }) => url === file.url)) continue;
    const name = nameFor(place, new Set(known.map((remote) => remote.name)));
    const flags = { priority: 0, disabled: false, noEnumerate: false, noDeps: false };
    const remote = { name, url: file.url, ...flags, gpgVerify: file.gpgVerify ?? false };
    found.push({ remote, newRemote: { name, url: file.url, settings: file, gpgKey: file.gpgKey } });
  }
  return found;
}
