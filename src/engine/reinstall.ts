// SPDX-License-Identifier: Apache-2.0

import { DowelError, isDowelError } from "../base/errors.ts";
import { formatRef } from "../metadata/ref.ts";
import { listRemotes } from "../remotes/config.ts";
import { listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { type GatherOptions, planRequests } from "./gather.ts";
import { offersFor } from "./offers.ts";
import { offeredRef, type Request } from "./resolve/facts.ts";
import type { FailedOperation, Plan } from "./types.ts";

/**
 * Plans to install everything again that an installation has, from the remotes that it came from. What these have no more,
 * and what a remote that does not answer had, is noted as failed in the plan and stays as it is.
 */
export async function prepareReinstall(target: Installation, options: GatherOptions = {}): Promise<Plan> {
  const offers = offersFor(target, options);
  const remotes = new Map(listRemotes(target).map((remote) => [remote.name, remote]));
  const requests: Request[] = [];
  const failed: FailedOperation[] = [];
  for (const { ref, origin } of listDeployments(target)) {
    const remote = remotes.get(origin);
    try {
      const offer = remote === undefined ? undefined : await offers.of(remote, ref.arch);
      const image = offer === undefined ? undefined : offeredRef(offer, formatRef(ref));
      if (image === undefined) throw new DowelError("REF_NOT_FOUND", `The remote ${origin} no longer has it`);
      requests.push({ kind: "install", candidate: { image, origin, newRemote: undefined } });
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      failed.push({ operation: "install", ref, error });
    }
  }
  const how = { ...options, reinstall: true, noDeps: true, noRelated: true, noAutoPin: true };
  const plan = await planRequests(target, requests, how, { offers });
  return { ...plan, failed: [...plan.failed, ...failed] };
}
