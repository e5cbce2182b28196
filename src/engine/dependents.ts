// SPDX-License-Identifier: Apache-2.0
import { listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { Dependent } from "./resolve/facts.ts";
import { needsOf } from "./resolve/needs.ts";

/** Everything that some installations have, with what it needs. */
export function listDependents(installations: readonly Installation[]): readonly Dependent[] {
  return installations.flatMap((installation) =>
    listDeployments(installation).map((deployment) => ({
      installation: installation.path,
      deployment,
      ...needsOf(deployment),
    })),
  );
}
