// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { formatRef, isValidId, matchesRef, type PartialRef } from "../metadata/ref.ts";
import { type Offer, selectRef } from "../remotes/select.ts";
import type { RemoteRef } from "../remotes/types.ts";
import { askForOne, type Choose } from "./choose.ts";
import { similarTo } from "./similar.ts";

/** What fits, the default branch of its remote alone where there is one and no branch was named. */
function fitting({ remote, refs }: Offer, wanted: PartialRef): readonly RemoteRef[] {
  const all = refs.filter(({ ref }) => matchesRef(ref, wanted));
  const preferred = wanted.branch === undefined ? all.filter(({ ref }) => ref.branch === remote.defaultBranch) : [];
  return preferred.length > 0 ? preferred : all;
}

/**
 * The one ref of some offers that a name means. Where several branches, several remotes, or only similar names fit, a
 * person is asked; where nobody can be, as `selectRef`: the remote of the highest priority, else an error. Throws
 * `REF_NOT_FOUND`, `REF_AMBIGUOUS`, `ABORTED`.
 */
export function pickRef(offers: readonly Offer[], wanted: PartialRef, choose: Choose | undefined): RemoteRef {
  const selected = trySelect(offers, wanted);
  if (!(selected instanceof DowelError)) return selected;
  if (choose === undefined) throw selected;
  if (selected.code === "REF_AMBIGUOUS") {
    const matches = offers.flatMap((offer) => fitting(offer, wanted));
    return ask(matches, `Several refs fit ${wanted.id}. Which one?`, choose, selected);
  }
  if (isValidId(wanted.id)) throw selected;
  const all = offers.flatMap(({ refs }) => refs);
  const near = similarTo(wanted.id, all).filter(({ ref }) => wanted.kind === undefined || wanted.kind === ref.kind);
  if (near.length === 0) throw selected;
  const question =
    near.length === 1 ? `${wanted.id} was not found, but this was:` : `Similar refs for ${wanted.id}. Which one?`;
  return ask(near, question, choose, selected);
}

function trySelect(offers: readonly Offer[], wanted: PartialRef): RemoteRef | DowelError {
  try {
    return selectRef(offers, wanted);
  } catch (error) {
    if (isDowelError(error, "REF_AMBIGUOUS") || isDowelError(error, "REF_NOT_FOUND")) return error;
    throw error;
  }
}

/** Even one similar name is asked about: it is not what was typed. */
function ask(things: readonly RemoteRef[], question: string, choose: Choose, ambiguous: DowelError): RemoteRef {
  const describe = ({ ref, remote }: RemoteRef): string => `${formatRef(ref)} (${remote})`;
  return askForOne({ things, describe, question, choose, ambiguous });
}
