// SPDX-License-Identifier: Apache-2.0

import { parseAppdata } from "../metadata/appdata.ts";
import { formatRef, type RefKind } from "../metadata/ref.ts";
import { listRefs } from "../remotes/catalogue.ts";
import { getRemote, listRemotes } from "../remotes/config.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import { activeDeployment } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";

export interface OfferedFilter {
  /** Name of the one remote to ask; undefined: all that are enabled and enumerated. */
  readonly remote: string | undefined;
  readonly arch: string | undefined;
  readonly kind: RefKind | undefined;
  /** Only what is installed from that remote in another version. */
  readonly updates: boolean;
  /** Only what is in the cache of the catalogue. */
  readonly cached: boolean;
  readonly signal?: AbortSignal | undefined;
}

export type OfferedRow = Readonly<Record<string, string | number | undefined>>;

function remotesOf(
  installations: readonly Installation[],
  name: string | undefined,
): (readonly [Installation, Remote])[] {
  const all = installations.flatMap((installation) =>
    listRemotes(installation).map((remote) => [installation, remote] as const),
  );
  if (name === undefined) return all.filter(([, { disabled, noEnumerate }]) => !disabled && !noEnumerate);
  const found = all.filter(([, remote]) => remote.name === name);
  const [first] = installations;
  if (found.length === 0 && first !== undefined) getRemote(first, name);
  return found.slice(0, 1);
}

function describe(offered: RemoteRef): OfferedRow {
  const appdata = parseAppdata(offered.labels.get("org.freedesktop.appstream.appdata") ?? "");
  return {
    name: appdata.name ?? offered.ref.id.replace(/^.*\./, ""),
    description: appdata.summary,
    application: offered.ref.id,
    version: appdata.version,
    branch: offered.ref.branch,
    arch: offered.ref.arch,
    origin: offered.remote,
    ref: formatRef(offered.ref),
    commit: offered.commit,
    runtime: offered.runtime === undefined ? undefined : formatRef(offered.runtime).replace(/^runtime\//, ""),
    "installed-size": offered.installedSize,
    "download-size": offered.downloadSize,
  };
}

/** What remotes offer, as rows with the columns of `remote-ls`. Throws `REMOTE_NOT_FOUND` and what the registries throw. */
export async function listOffered(
  installations: readonly Installation[],
  filter: OfferedFilter,
): Promise<OfferedRow[]> {
  const rows: OfferedRow[] = [];
  for (const [installation, remote] of remotesOf(installations, filter.remote)) {
    const options = { arch: filter.arch, cached: filter.cached, cacheFolder: installation.path, signal: filter.signal };
    for (const offered of await listRefs(remote, options)) {
      if (filter.kind !== undefined && offered.ref.kind !== filter.kind) continue;
      const installed = filter.updates ? activeDeployment(installation, offered.ref) : undefined;
      if (filter.updates && (installed === undefined || installed.commit === offered.commit)) continue;
      rows.push(describe(offered));
    }
  }
  return rows;
}
