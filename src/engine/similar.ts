// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, isValidId, matchesRef, type Ref } from "../metadata/ref.ts";
import { findDeployments, listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { askForOne, type Choose, chooseSome } from "./choose.ts";
import { type FindOptions, readName } from "./find.ts";

/** Things whose id has a word in it that is no id: apps before runtimes. */
export function similarTo<T extends { readonly ref: Ref }>(word: string, things: readonly T[]): readonly T[] {
  const part = word.toLowerCase();
  const isMain = ({ ref }: T): boolean => !/\.(Debug|Locale|Sources)$/.test(ref.id);
  const rank = ({ ref }: T): number => (ref.kind === "app" ? 0 : 1);
  const all = things.filter((one) => one.ref.id.toLowerCase().includes(part) && isMain(one));
  return all.sort((left, right) => rank(left) - rank(right));
}

/**
 * The installed refs that a name means: itself where something has that name, else what a person says of those with an id
 * that has the word in it. A name that nothing is like comes back as it is. Throws `ABORTED`.
 */
export function meantInstalled(
  installations: readonly Installation[],
  name: string,
  options: FindOptions,
  choose: Choose | undefined,
): readonly string[] {
  const wanted = readName(name, options);
  const isHere = installations.some((installation) => findDeployments(installation, wanted).length > 0);
  if (isHere || choose === undefined || isValidId(wanted.id)) return [name];
  const installed = installations.flatMap((installation) => listDeployments(installation));
  const near = similarTo(wanted.id, installed).filter(({ ref }) => matchesRef(ref, { ...wanted, id: ref.id }));
  const refs = [...new Set(near.map(({ ref }) => formatRef(ref)))];
  if (refs.length === 0) return [name];
  const ambiguous = new DowelError("REF_AMBIGUOUS", `${name} fits several installed refs: ${refs.join(", ")}`, {
    hint: "Name one of them in full.",
  });
  const describe = (ref: string): string => ref;
  if (refs.length === 1) {
    const question = `${name} is not installed, but this is:`;
    return [askForOne({ things: refs, describe, question, choose, ambiguous })];
  }
  const question = `Similar installed refs for ${name}. Which one?`;
  return chooseSome({ things: refs, describe, question, choose, ambiguous });
}
