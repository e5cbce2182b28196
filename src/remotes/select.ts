// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, matchesRef, type PartialRef } from "../metadata/ref.ts";
import { suggestNames } from "./suggest.ts";
import type { Remote, RemoteRef } from "./types.ts";

/** What a remote offers. */
export interface Offer {
  readonly remote: Remote;
  readonly refs: readonly RemoteRef[];
}

export function formatPartialRef(partial: PartialRef): string {
  const kind = partial.kind === undefined ? "" : `${partial.kind}/`;
  if (partial.arch === undefined && partial.branch === undefined) return `${kind}${partial.id}`;
  return `${kind}${partial.id}/${partial.arch ?? ""}${partial.branch === undefined ? "" : `/${partial.branch}`}`;
}

function notFound(offers: readonly Offer[], wanted: string, id: string): DowelError {
  const near = suggestNames(
    id,
    offers.flatMap(({ refs }) => refs.map(({ ref }) => ref.id)),
  );
  const branches = offers.flatMap(({ refs }) =>
    refs.filter(({ ref }) => ref.id === id).map(({ ref }) => formatRef(ref)),
  );
  const names = offers.map(({ remote }) => remote.name).join(", ");
  const where =
    offers.length === 0 ? "no remote to look in" : offers.length === 1 ? `remote ${names}` : `remotes ${names}`;
  const others = branches.length > 0 ? branches : near;
  return new DowelError("REF_NOT_FOUND", `${wanted} not found: ${where}`, {
    ...(others.length === 0 ? {} : { hint: `Did you mean ${[...new Set(others)].join(" or ")}?` }),
  });
}

function narrowToDefaultBranch(matches: readonly [Remote, RemoteRef][], partial: PartialRef): [Remote, RemoteRef][] {
  if (partial.branch !== undefined) return [...matches];
  const preferred = matches.filter(([remote, { ref }]) => remote.defaultBranch === ref.branch);
  return preferred.length > 0 ? preferred : [...matches];
}

/**
 * Chooses the one ref that fits, from the remote with the highest priority that has it. A remote's default branch
 * decides between branches. Throws `REF_NOT_FOUND`, with near misses in the hint, or `REF_AMBIGUOUS`, which lists
 * the candidates.
 */
export function selectRef(offers: readonly Offer[], partial: PartialRef): RemoteRef {
  const wanted = formatPartialRef(partial);
  const all = offers.flatMap(({ remote, refs }) =>
    refs.filter(({ ref }) => matchesRef(ref, partial)).map((found): [Remote, RemoteRef] => [remote, found]),
  );
  const matches = narrowToDefaultBranch(all, partial);
  const [first] = matches;
  if (first === undefined) throw notFound(offers, wanted, partial.id);
  const names = [...new Set(matches.map(([, { ref }]) => formatRef(ref)))];
  if (names.length > 1) {
    throw new DowelError("REF_AMBIGUOUS", `${wanted} fits several refs: ${names.join(", ")}`, {
      hint: "Name one of them in full.",
    });
  }
  const highest = Math.max(...matches.map(([remote]) => remote.priority));
  const best = matches.filter(([remote]) => remote.priority === highest);
  if (best.length > 1) {
    const remotes = best.map(([remote]) => remote.name).join(", ");
    throw new DowelError("REF_AMBIGUOUS", `${names.join()} is in several remotes: ${remotes}`, {
      hint: "Name the remote before the ref.",
    });
  }
  return (best[0] ?? first)[1];
}
