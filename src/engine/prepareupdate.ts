// SPDX-License-Identifier: Apache-2.0
import type { RefKind } from "../metadata/ref.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { findAllInstalled } from "./find.ts";
import { type GatherOptions, gatherFacts, planRequests } from "./gather.ts";
import type { Facts, TransactionOptions } from "./resolve/facts.ts";
import type { Plan } from "./types.ts";

export interface UpdateOptions extends GatherOptions, TransactionOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
}

function chosen(
  target: Installation,
  names: readonly string[],
  { installed }: Pick<Facts, "installed">,
  options: UpdateOptions,
): readonly Deployment[] {
  const fits = ({ ref }: Deployment): boolean =>
    (options.kind === undefined || ref.kind === options.kind) &&
    (options.arch === undefined || ref.arch === options.arch);
  if (names.length === 0) {
    const own = installed.filter(({ installation }) => installation === target.path);
    return own.map(({ deployment }) => deployment).filter(fits);
  }
  const named = names.flatMap((name) => findAllInstalled(target, name, options));
  return [...new Map(named.map((deployment) => [deployment.path, deployment])).values()];
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
  const facts = gatherFacts(target, options);
  const requests = chosen(target, names, facts, options).map((deployment) => ({ kind: "update", deployment }) as const);
  return await planRequests(target, requests, options, { facts });
}
