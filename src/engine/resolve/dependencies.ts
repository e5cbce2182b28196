// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import type { Candidate } from "../types.ts";
import type { Draft } from "./draft.ts";
import { offeredRef } from "./facts.ts";

/** What looking for a runtime gave; `pending` where remotes must be asked first. */
export type Found = { readonly candidate: Candidate } | { readonly searched: readonly string[] } | "pending";

/**
 * Looks for a ref that is needed: where what needs it comes from, then in the other remotes that serve dependencies, by
 * priority. All of those are asked at once, as soon as the first has not got it.
 */
export function findDependency(draft: Draft, needed: Ref, origin: string): Found {
  const searched = [origin];
  const own = draft.lookUp(origin, needed);
  if ("candidate" in own) return own;
  if ("pending" in own) return "pending";
  const others = draft.facts.remotes.filter(({ name, disabled, noDeps }) => name !== origin && !disabled && !noDeps);
  const answers = others.map((remote) => ({ remote, answer: draft.answer(remote, needed.arch) }));
  if (answers.some(({ answer }) => answer === undefined)) return "pending";
  for (const { remote, answer } of answers) {
    if (answer instanceof DowelError) draft.warn(`Remote ${remote.name}: ${answer.message}`);
    searched.push(remote.name);
    const image = answer === undefined || !("refs" in answer) ? undefined : offeredRef(answer, formatRef(needed));
    if (image !== undefined) return { candidate: draft.candidateOf(image) };
  }
  return { searched };
}

export function runtimeNotFound(needed: Ref, user: Ref, searched: readonly string[]): DowelError {
  const where = searched.length === 0 ? "there is no remote to look in" : `not in ${searched.join(", ")}`;
  return new DowelError("RUNTIME_NOT_FOUND", `${formatRef(user)} needs ${formatRef(needed)}: ${where}`, {
    hint: "Add a remote that has it, install it from elsewhere first, or use --no-deps.",
  });
}
