// SPDX-License-Identifier: Apache-2.0
import { formatRef, type RefKind } from "../metadata/ref.ts";
import { aboutOf, shownNameOf } from "../remotes/about.ts";
import { listRefs } from "../remotes/catalogue.ts";
import { getRemote, listRemotes } from "../remotes/config.ts";
import { removeCachedCatalogue } from "../remotes/indexcache.ts";
import { commitText } from "../remotes/labels.ts";
import { looksLikeLocation, parseLocation } from "../remotes/location.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import { activeDeployment } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { passingRemote } from "./direct.ts";
import { mediaFolders } from "./media.ts";
import { findSideloads } from "./sideload.ts";

/** Which refs of a remote are meant. */
export interface RefsFilter {
  /** `*` for all. */
  readonly arch?: string | undefined;
  /** Only what is in the cache of the catalogue. */
  readonly cached?: boolean | undefined;
  /** Only what media hold, of what was heard last of the remote. */
  readonly sideloaded?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OfferedFilter extends RefsFilter {
  /** Name of the one remote to ask, or a location; undefined: all that are enabled and enumerated. */
  readonly remote: string | undefined;
  readonly kind: RefKind | undefined;
  /** Only what is installed from that remote in another version. */
  readonly updates: boolean;
  /** Also what only belongs to something else: translations, debug information, sources. */
  readonly all: boolean;
  /** Only apps that need this runtime: `ID[/ARCH[/BRANCH]]`. */
  readonly appRuntime: string | undefined;
}

export type OfferedRow = Readonly<Record<string, string | number | undefined>>;

/** The remotes that a name or location means, or all that are listed. Throws `REMOTE_NOT_FOUND`. */
export function remotesToAsk(
  installations: readonly Installation[],
  name: string | undefined,
): readonly (readonly [Installation, Remote])[] {
  const [first] = installations;
  if (name !== undefined && looksLikeLocation(name) && first !== undefined) {
    return [[first, passingRemote(parseLocation(name))]];
  }
  const all = installations.flatMap((installation) =>
    listRemotes(installation).map((remote) => [installation, remote] as const),
  );
  if (name === undefined) return all.filter(([, { disabled, noEnumerate }]) => !disabled && !noEnumerate);
  const found = all.filter(([, remote]) => remote.name === name);
  if (found.length === 0 && first !== undefined) getRemote(first, name);
  return found.slice(0, 1);
}

function nameOf(ref: RemoteRef["ref"]): string {
  return formatRef(ref).replace(/^[a-z]+\//, "");
}

function optionsOf({ labels }: RemoteRef): string | undefined {
  const words = [
    ["eol", commitText(labels, "ostree.endoflife")],
    ["eol-rebase", commitText(labels, "ostree.endoflife-rebase")],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return words.length === 0 ? undefined : words.join(",");
}

function describe(offered: RemoteRef): OfferedRow {
  const about = aboutOf(offered);
  return {
    name: shownNameOf(about, offered.ref.id),
    description: about.summary,
    application: offered.ref.id,
    version: about.version,
    branch: offered.ref.branch,
    arch: offered.ref.arch,
    origin: offered.remote,
    ref: formatRef(offered.ref),
    commit: offered.commit,
    runtime: offered.runtime === undefined ? undefined : nameOf(offered.runtime),
    "installed-size": offered.installedSize,
    "download-size": offered.downloadSize,
    options: optionsOf(offered),
  };
}

/** Whether a ref is only a part of another: its translations, debug information or sources. */
function isPart({ ref }: RemoteRef): boolean {
  return ref.kind === "runtime" && /\.(?:Locale|Debug|Sources)$/.test(ref.id);
}

function needsRuntime({ ref, runtime }: RemoteRef, wanted: string): boolean {
  if (ref.kind !== "app" || runtime === undefined) return false;
  const parts = wanted.replace(/^runtime\//, "").split("/");
  const own = [runtime.id, runtime.arch, runtime.branch];
  return parts.length <= own.length && parts.every((part, at) => part === "" || part === own[at]);
}

function isUpdate(installation: Installation, remote: Remote, offered: RemoteRef): boolean {
  const installed = activeDeployment(installation, offered.ref);
  return installed !== undefined && installed.origin === remote.name && installed.commit !== offered.commit;
}

/** What a remote of an installation offers. Throws what its registry throws. */
export async function offeredRefs(
  installation: Installation,
  remote: Remote,
  { sideloaded, signal, ...filter }: RefsFilter,
): Promise<readonly RemoteRef[]> {
  const cacheFolder = remote.name === remote.url ? undefined : installation.path;
  if (sideloaded !== true) return await listRefs(remote, { ...filter, cacheFolder, signal });
  const media = await findSideloads([], mediaFolders(installation), { signal });
  const refs = await listRefs(remote, { ...filter, cacheFolder, cached: true, signal });
  return refs.filter(({ commit }) => media.has(commit));
}

/** Forgets what was heard of a remote, and asks it anew. Throws what its registry throws. */
export async function renewCatalogue(installation: Installation, name: string, signal?: AbortSignal): Promise<void> {
  removeCachedCatalogue(installation.path, name);
  await listRefs(getRemote(installation, name), { cacheFolder: installation.path, signal });
}

/** What remotes offer, as rows with the columns of `remote-ls`. Throws `REMOTE_NOT_FOUND` and what the registries throw. */
export async function listOffered(
  installations: readonly Installation[],
  filter: OfferedFilter,
): Promise<OfferedRow[]> {
  const { kind, appRuntime } = filter;
  const rows: OfferedRow[] = [];
  for (const [installation, remote] of remotesToAsk(installations, filter.remote)) {
    for (const offered of await offeredRefs(installation, remote, filter)) {
      if (kind !== undefined && offered.ref.kind !== kind) continue;
      if (!filter.all && isPart(offered)) continue;
      if (appRuntime !== undefined && !needsRuntime(offered, appRuntime)) continue;
      if (filter.updates && !isUpdate(installation, remote, offered)) continue;
      rows.push(describe(offered));
    }
  }
  return rows;
}
