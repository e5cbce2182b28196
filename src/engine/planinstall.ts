// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, type Ref, sameRef } from "../metadata/ref.ts";
import type { RemoteRef } from "../remotes/types.ts";
import type { Deployment } from "../store/types.ts";
import { makePlan, upToDate } from "./plan.ts";
import type { Installed, NewRemote, Operation, Plan, SkippedOperation } from "./types.ts";

export interface InstallOptions {
  /** Do not look for runtimes. */
  readonly noDeps?: boolean;
  /** Update what is installed already. */
  readonly orUpdate?: boolean;
  /** Install again what is installed already. */
  readonly reinstall?: boolean;
}

/** An image that an install is about, and the remote that it will be noted under. */
export interface Candidate {
  readonly image: RemoteRef;
  readonly origin: string;
  readonly newRemote: NewRemote | undefined;
}

export interface InstallFacts {
  readonly requested: readonly Candidate[];
  /** Name of the installation that the plan is for. */
  readonly target: string;
  /** What every installation has. */
  readonly installed: readonly Installed[];
  /** Where runtimes that are installed nowhere were found; by full ref. */
  readonly runtimes: ReadonlyMap<string, Candidate>;
  /** Names of what was searched for runtimes, for messages. */
  readonly searched: readonly string[];
  readonly options: InstallOptions;
}

/** The runtimes that images need and no installation has, in order of first need. */
export function missingRuntimes(requested: readonly Candidate[], installed: readonly Installed[]): readonly Ref[] {
  const coming = new Set(requested.map(({ image }) => formatRef(image.ref)));
  const missing = new Map<string, Ref>();
  for (const { image } of requested) {
    const { runtime } = image;
    if (runtime === undefined || coming.has(formatRef(runtime))) continue;
    if (installed.some(({ deployment }) => sameRef(deployment.ref, runtime))) continue;
    missing.set(formatRef(runtime), runtime);
  }
  return [...missing.values()];
}

export function runtimeNotFound(needed: Ref, user: Ref, searched: readonly string[]): DowelError {
  const where = searched.length === 0 ? "there is no remote to look in" : `not in ${searched.join(", ")}`;
  return new DowelError("RUNTIME_NOT_FOUND", `${formatRef(user)} needs ${formatRef(needed)}: ${where}`, {
    hint: "Add a remote that has it, install it from elsewhere first, or use --no-deps.",
  });
}

function presentOf(candidate: Candidate, facts: InstallFacts): Deployment | undefined {
  return facts.installed.find(
    ({ installation, deployment }) => installation === facts.target && sameRef(deployment.ref, candidate.image.ref),
  )?.deployment;
}

function toOperation(
  candidate: Candidate,
  facts: InstallFacts,
  needs: readonly string[],
): Operation | SkippedOperation {
  const { image, origin, newRemote } = candidate;
  const { ref, commit } = image;
  const shared = { ref, image, origin, newRemote, needs };
  const present = presentOf(candidate, facts);
  if (present === undefined) return { operation: "install", ...shared, reinstall: false };
  if (facts.options.reinstall === true) return { operation: "install", ...shared, reinstall: true };
  if (facts.options.orUpdate !== true) return { operation: "install", ref, reason: "it is installed already" };
  if (present.origin !== origin) throw fromElsewhere(present, origin);
  if (present.commit === commit) return { operation: "update", ref, reason: upToDate };
  return { operation: "update", ...shared, from: present };
}

/** An update must not change who supplies an app without being told to. */
function fromElsewhere({ ref, origin }: Deployment, wanted: string): DowelError {
  return new DowelError("ALREADY_INSTALLED", `${formatRef(ref)} is installed from ${origin}, not from ${wanted}`, {
    hint: "To take it from there instead, use --reinstall.",
  });
}

/** Of several refs those that are there already are passed over; where that leaves nothing, it is an error. */
function checkNotInstalled(requested: readonly Candidate[], facts: InstallFacts): void {
  const { orUpdate, reinstall } = facts.options;
  const present = requested.flatMap((candidate) => presentOf(candidate, facts) ?? []);
  const [first] = present;
  if (orUpdate === true || reinstall === true || first === undefined || present.length < requested.length) return;
  const names = present.map(({ ref }) => formatRef(ref)).join(", ");
  throw new DowelError("ALREADY_INSTALLED", `${names} is installed already, from ${first.origin}`, {
    hint: "Use --or-update or --reinstall.",
  });
}

/** A requested image after all runtimes, and only once. */
function inOrder(requested: readonly Candidate[]): readonly Candidate[] {
  const byRef = new Map(requested.map((candidate) => [formatRef(candidate.image.ref), candidate]));
  const unique = [...byRef.values()];
  const isRuntime = (candidate: Candidate): boolean => candidate.image.ref.kind === "runtime";
  return [...unique.filter(isRuntime), ...unique.filter((candidate) => !isRuntime(candidate))];
}

/**
 * Decides what an install does. Runtimes come first, apps after them. Throws `ALREADY_INSTALLED` and
 * `RUNTIME_NOT_FOUND`; nothing has been changed then.
 */
export function planInstall(facts: InstallFacts): Plan {
  const requested = inOrder(facts.requested);
  checkNotInstalled(requested, facts);
  const runtimes: Candidate[] = [];
  if (facts.options.noDeps !== true) {
    for (const runtime of missingRuntimes(requested, facts.installed)) {
      const name = formatRef(runtime);
      const found = facts.runtimes.get(name);
      const user = requested.find(({ image }) => {
        const needed = image.runtime;
        return needed !== undefined && sameRef(needed, runtime);
      });
      if (found !== undefined) runtimes.push(found);
      else if (user !== undefined) throw runtimeNotFound(runtime, user.image.ref, facts.searched);
    }
  }
  const all = [...runtimes, ...requested];
  const coming = new Set(all.map(({ image }) => formatRef(image.ref)));
  const decided = all.map((candidate) => {
    const { runtime } = candidate.image;
    const needed = facts.options.noDeps === true || runtime === undefined ? undefined : formatRef(runtime);
    return toOperation(candidate, facts, needed !== undefined && coming.has(needed) ? [needed] : []);
  });
  return makePlan(
    decided.filter((item): item is Operation => !("reason" in item)),
    decided.filter((item): item is SkippedOperation => "reason" in item),
  );
}
