// SPDX-License-Identifier: Apache-2.0
import { setImmediate as nextTurn } from "node:timers/promises";
import { anyPattern } from "../metadata/pattern.ts";
import { formatRef, type RefKind } from "../metadata/ref.ts";
import { listRemotes } from "../remotes/config.ts";
import { readDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { readSettings } from "../store/settings.ts";
import type { Deployment } from "../store/types.ts";
import type { GatherOptions } from "./gather.ts";
import { type Offers, offersFor } from "./offers.ts";
import { answerKey, type TransactionOptions } from "./resolve/facts.ts";
import type { Plan } from "./types.ts";

export interface UpdateOptions extends GatherOptions, TransactionOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
}

/** What an update is to look for, and everything that the target has where that had to be read for it. */
interface Chosen {
  readonly deployments: readonly Deployment[];
  readonly all?: readonly Deployment[];
}

/**
 * Asks remotes while the rest is still being read: a question is on its way as soon as the first thing that came from a
 * remote is known. The answers are kept by `offers`; what went wrong is thrown where they are asked for again.
 */
function askingAhead(target: Installation, offers: Offers): (deployment: Deployment) => Promise<void> {
  const remotes = new Map(listRemotes(target).map((remote) => [remote.name, remote]));
  const isMasked = anyPattern(readSettings(target).get("masked") ?? []);
  const asked = new Set<string>();
  return async ({ ref, origin }) => {
    const remote = remotes.get(origin);
    const key = answerKey(origin, ref.arch);
    if (remote === undefined || remote.disabled || asked.has(key) || isMasked(ref)) return;
    asked.add(key);
    offers.of(remote, ref.arch).catch(() => undefined);
    // What follows reads without waiting, and would keep the question here.
    await nextTurn();
  };
}

async function choose(
  target: Installation,
  names: readonly string[],
  offers: Offers,
  options: UpdateOptions,
): Promise<Chosen> {
  const askAhead = askingAhead(target, offers);
  if (names.length > 0) {
    const { findAllInstalled } = await import("./find.ts");
    const named = names.flatMap((name) => findAllInstalled(target, name, options));
    const deployments = [...new Map(named.map((deployment) => [formatRef(deployment.ref), deployment])).values()];
    for (const deployment of deployments) await askAhead(deployment);
    return { deployments };
  }
  const fits = ({ ref }: Deployment): boolean =>
    (options.kind === undefined || ref.kind === options.kind) &&
    (options.arch === undefined || ref.arch === options.arch);
  const all: Deployment[] = [];
  for (const deployment of readDeployments(target)) {
    all.push(deployment);
    if (fits(deployment)) await askAhead(deployment);
  }
  return { deployments: all.filter(fits), all };
}

/**
 * Looks for newer images of what an installation has, all or what is named, and plans their update. A remote that
 * does not answer, or lost a ref, fails that ref only; the plan notes it. Throws `NOT_INSTALLED` for a name.
 */
export async function prepareUpdate(
  target: Installation,
  names: readonly string[],
  options: UpdateOptions = {},
): Promise<Plan> {
  const offers = offersFor(target, options);
  const { deployments, all } = await choose(target, names, offers, options);
  const { gatherFacts, planRequests } = await import("./gather.ts");
  const facts = gatherFacts(target, options, all);
  const requests = deployments.map((deployment) => ({ kind: "update", deployment }) as const);
  return await planRequests(target, requests, options, { facts, offers });
}
