// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { formatRef } from "../../metadata/ref.ts";
import type { Deployment } from "../../store/types.ts";
import { makePlan } from "../plan.ts";
import type { Operation, Plan, PlanBasis } from "../types.ts";
import { Draft } from "./draft.ts";
import type { Ask, Dependent, Facts, Request } from "./facts.ts";
import { addInstall, addUpdate } from "./fetches.ts";
import { needsOf } from "./needs.ts";
import { addRemovals } from "./removals.ts";
import { unusedRuntimes } from "./unused.ts";

/** A plan, or the remotes that must be asked before there can be one. */
export type Resolution = { readonly plan: Plan } | { readonly asks: readonly Ask[] };

/**
 * Decides what a transaction does: the runtimes that apps need, their extensions, successors of what is no longer
 * maintained, and what is not needed any more. Pure: where it lacks the answer of a remote it says so, and is called again
 * with it. Runtimes come first, then apps, then removals.
 *
 * Throws `ALREADY_INSTALLED`, `RUNTIME_NOT_FOUND`, `RUNTIME_USED`, `VERSION_REQUIRED`. What concerns one update only is
 * noted as failed in the plan and leaves the rest alone.
 */
export function resolve(facts: Facts, requests: readonly Request[]): Resolution {
  const draft = new Draft(facts);
  checkNotInstalled(draft, requests);
  addRemovals(
    draft,
    requests.flatMap((request) => (request.kind === "uninstall" ? [request.deployment] : [])),
  );
  for (const request of runtimesFirst(requests)) {
    if (request.kind === "install") addInstall(draft, request.candidate, "requested");
    else if (request.kind === "update") addUpdate(draft, request.deployment, "requested");
  }
  if (draft.asks.size > 0) return { asks: [...draft.asks.values()] };
  if (draft.fatal !== undefined) throw draft.fatal;
  prune(draft, requests);
  return { plan: toPlan(draft, requests) };
}

function isRuntime(request: Request): boolean {
  const ref = request.kind === "install" ? request.candidate.image.ref : request.deployment.ref;
  return ref.kind === "runtime";
}

function runtimesFirst(requests: readonly Request[]): readonly Request[] {
  return [...requests.filter(isRuntime), ...requests.filter((request) => !isRuntime(request))];
}

/** What is there already is passed over; where nothing is left and some of it is asked of another remote, it is an error. */
function checkNotInstalled(draft: Draft, requests: readonly Request[]): void {
  const { orUpdate, reinstall } = draft.facts.options;
  if (orUpdate === true || reinstall === true) return;
  const foreign: Deployment[] = [];
  for (const request of requests) {
    const present = request.kind === "install" ? draft.present(request.candidate.image.ref) : undefined;
    if (request.kind !== "install" || present === undefined) return;
    if (present.origin !== request.candidate.origin) foreign.push(present);
  }
  const [first] = foreign;
  if (first === undefined) return;
  const names = [...new Set(foreign.map(({ ref }) => formatRef(ref)))];
  throw new DowelError("ALREADY_INSTALLED", `${names.join(", ")} is installed already, from ${first.origin}`, {
    hint: "Use update, or --reinstall to take it from elsewhere.",
  });
}

/** What the target will have when the plan has been carried out, together with what the others have. */
function installedAfter({ facts, operations }: Draft): readonly Dependent[] {
  const isChanged = ({ installation, deployment }: Dependent): boolean =>
    installation === facts.target && operations.has(formatRef(deployment.ref));
  const coming = [...operations.values()].flatMap((operation): Dependent[] => {
    if (operation.operation === "uninstall") return [];
    const { ref, image, origin } = operation;
    const { commit, metadata, labels, installedSize, downloadSize } = image;
    const shown = { path: "", source: "", shownAs: "checkout", imageDigest: "", deployedAt: 0 } as const;
    const deployment = { ref, commit, origin, metadata, labels, installedSize, downloadSize, ...shown };
    return [{ installation: facts.target, deployment, ...needsOf({ ref, metadata }) }];
  });
  return [...facts.installed.filter((dependent) => !isChanged(dependent)), ...coming];
}

/**
 * Removes runtimes that this transaction leaves without use and that nobody maintains, or whose extension point wants
 * them gone; everything else that is unused waits for `uninstall --unused`. They go last, and only where all else was done.
 */
function prune(draft: Draft, requests: readonly Request[]): void {
  const { facts, operations } = draft;
  if (facts.options.noRelated === true || operations.size === 0) return;
  if (requests.every(({ kind }) => kind === "uninstall")) return;
  const needs = [...operations.keys()];
  for (const { deployment, prunes } of unusedRuntimes({ ...facts, installed: installedAfter(draft) })) {
    const present = draft.present(deployment.ref);
    if (!prunes || present === undefined || operations.has(formatRef(deployment.ref))) continue;
    const { ref } = present;
    operations.set(formatRef(ref), {
      operation: "uninstall",
      ref,
      deployment: present,
      deleteData: false,
      forced: false,
      needs,
    });
  }
}

function basisOf({ options, direct, newRemotes }: Facts, requests: readonly Request[]): PlanBasis {
  const place = direct === undefined ? undefined : { location: direct.offer.remote.url, origin: direct.origin };
  return { requests, options, direct: place, newRemotes: [...newRemotes.values()] };
}

function toPlan(draft: Draft, requests: readonly Request[]): Plan {
  const { operations, skipped, failed, notes, rebases } = draft;
  const all = [...operations.values()];
  const fetches = all.filter(({ operation }) => operation !== "uninstall");
  const ordered: Operation[] = [
    ...fetches.filter(({ ref }) => ref.kind === "runtime"),
    ...fetches.filter(({ ref }) => ref.kind === "app"),
    ...all.filter(({ operation }) => operation === "uninstall"),
  ];
  const basis = basisOf(draft.facts, requests);
  return makePlan(ordered, { skipped: [...skipped.values()], failed, notes, rebases, basis });
}
