// SPDX-License-Identifier: Apache-2.0

import type { Ref } from "../metadata/ref.ts";
import { listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import type { Dependent } from "./resolve/facts.ts";
import { type Needs, needsOf } from "./resolve/needs.ts";

/** What something installed needs, read from its metadata when it is first asked for: most plans ask of few. */
class Installed implements Dependent {
  readonly installation: string;
  readonly deployment: Deployment;
  #needs: Needs | undefined;

  constructor(installation: string, deployment: Deployment) {
    this.installation = installation;
    this.deployment = deployment;
  }

  get runtime(): Ref | undefined {
    return this.#read().runtime;
  }

  get sdk(): Ref | undefined {
    return this.#read().sdk;
  }

  get extensionOf(): Ref | undefined {
    return this.#read().extensionOf;
  }

  #read(): Needs {
    this.#needs ??= needsOf(this.deployment);
    return this.#needs;
  }
}

/** What an installation has, with what it needs; `deployments` where it has been read already. */
export function dependentsOf(
  installation: Pick<Installation, "path">,
  deployments: readonly Deployment[] = listDeployments(installation),
): readonly Dependent[] {
  return deployments.map((deployment) => new Installed(installation.path, deployment));
}

/** Everything that some installations have, with what it needs. */
export function listDependents(installations: readonly Installation[]): readonly Dependent[] {
  return installations.flatMap((installation) => dependentsOf(installation));
}
