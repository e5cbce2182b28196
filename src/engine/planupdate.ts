// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, sameRef } from "../metadata/ref.ts";
import type { Deployment } from "../store/types.ts";
import { needsOf } from "./dependents.ts";
import { makePlan, upToDate } from "./plan.ts";
import { type Candidate, runtimeNotFound } from "./planinstall.ts";
import type { FailedOperation, Installed, Operation, Plan, SkippedOperation } from "./types.ts";

/** What looking for a newer image of a deployment gave. */
export type UpdateLookup =
  | { readonly deployment: Deployment; readonly candidate: Candidate }
  | { readonly deployment: Deployment; readonly reason: string }
  | { readonly deployment: Deployment; readonly error: DowelError };

export interface UpdateFacts {
  readonly lookups: readonly UpdateLookup[];
  readonly installed: readonly Installed[];
  /** Where runtimes were found that the newer images need and no installation has; by full ref. */
  readonly runtimes: ReadonlyMap<string, Candidate>;
  /** Names of what was searched for them, for messages. */
  readonly searched: readonly string[];
  readonly noDeps: boolean;
}

/** When an image was built, seconds since 1970; NaN, which is neither older nor newer, where it does not say. */
export function timestampOf(labels: ReadonlyMap<string, string>): number {
  const text = labels.get("org.flatpak.timestamp") ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

/** Why an image that was looked up is no update; undefined where it is one. */
function whyNot(candidate: Candidate, deployment: Deployment): string | undefined {
  if (candidate.image.commit === deployment.commit) return upToDate;
  // An old version with known holes must not come back, whoever controls the registry.
  const isOlder = timestampOf(candidate.image.labels) < timestampOf(deployment.labels);
  return isOlder ? `the remote ${candidate.origin} has an older version` : undefined;
}

/** The newer images among what was looked up. */
export function newerImages(lookups: readonly UpdateLookup[]): readonly Candidate[] {
  return lookups.flatMap((lookup) =>
    "candidate" in lookup && whyNot(lookup.candidate, lookup.deployment) === undefined ? [lookup.candidate] : [],
  );
}

function toUpdate(from: Deployment, candidate: Candidate, needs: readonly string[]): Operation {
  const { image, origin, newRemote } = candidate;
  return { operation: "update", ref: from.ref, image, origin, newRemote, needs, from };
}

function toInstall(candidate: Candidate): Operation {
  const { image, origin, newRemote } = candidate;
  return { operation: "install", ref: image.ref, image, origin, newRemote, needs: [], reinstall: false };
}

/**
 * The refs that an update waits for, or the error that keeps it from being done. A runtime that was missing before is
 * no reason to refuse: the app gets no worse.
 */
function waitsFor(
  candidate: Candidate,
  from: Deployment,
  facts: UpdateFacts,
  coming: ReadonlySet<string>,
): readonly string[] | DowelError {
  const { runtime, ref } = candidate.image;
  if (facts.noDeps || runtime === undefined) return [];
  if (coming.has(formatRef(runtime))) return [formatRef(runtime)];
  if (facts.installed.some(({ deployment }) => sameRef(deployment.ref, runtime))) return [];
  const before = needsOf(from).runtime;
  if (before !== undefined && sameRef(before, runtime)) return [];
  return runtimeNotFound(runtime, ref, facts.searched);
}

/**
 * Decides what an update does: runtimes first, then apps; runtimes that newer images need in addition are
 * installed. What could not be looked up, or lacks a runtime, is noted as failed and leaves the rest alone.
 */
export function planUpdate(facts: UpdateFacts): Plan {
  const skipped: SkippedOperation[] = [];
  const failed: FailedOperation[] = [];
  const updates: Operation[] = [];
  const newer = newerImages(facts.lookups);
  const added = [...facts.runtimes.values()];
  const coming = new Set([...added, ...newer].map(({ image }) => formatRef(image.ref)));
  for (const lookup of facts.lookups) {
    const { deployment } = lookup;
    const { ref } = deployment;
    if ("error" in lookup) {
      failed.push({ operation: "update", ref, error: lookup.error });
      continue;
    }
    const reason = "reason" in lookup ? lookup.reason : whyNot(lookup.candidate, deployment);
    if (!("candidate" in lookup) || reason !== undefined) {
      skipped.push({ operation: "update", ref, reason: reason ?? "" });
      continue;
    }
    const needs = waitsFor(lookup.candidate, deployment, facts, coming);
    if (needs instanceof DowelError) failed.push({ operation: "update", ref, error: needs });
    else updates.push(toUpdate(deployment, lookup.candidate, needs));
  }
  const isApp = ({ ref }: Operation): boolean => ref.kind === "app";
  const ordered = [...updates.filter((item) => !isApp(item)), ...updates.filter(isApp)];
  return makePlan([...added.map(toInstall), ...ordered], skipped, failed);
}

/** Named apps together with the runtimes of theirs that the same installation has. */
export function withRuntimes(
  named: readonly Deployment[],
  all: readonly Deployment[],
  runtimeOf: (deployment: Deployment) => Deployment["ref"] | undefined,
): readonly Deployment[] {
  const result = [...named];
  for (const deployment of named) {
    const runtime = runtimeOf(deployment);
    const found = runtime === undefined ? undefined : all.find(({ ref }) => sameRef(ref, runtime));
    if (found !== undefined && !result.includes(found)) result.push(found);
  }
  return result;
}
