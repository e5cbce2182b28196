// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { parseMetadata } from "../metadata/metadata.ts";
import { parseRef, type Ref } from "../metadata/ref.ts";
import { listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import type { Dependent } from "./planuninstall.ts";

interface Needs {
  readonly runtime: Ref | undefined;
  readonly sdk: Ref | undefined;
  readonly extensionOf: Ref | undefined;
}

const none: Needs = { runtime: undefined, sdk: undefined, extensionOf: undefined };

/** The refs that a deployment needs, by its metadata. Metadata that cannot be read name none. */
export function needsOf(deployment: Deployment): Needs {
  try {
    const { kind, runtime, sdk, extensionOf } = parseMetadata(deployment.metadata);
    const extended = extensionOf === undefined ? undefined : parseRef(extensionOf);
    return {
      runtime: kind === "app" ? runtime : undefined,
      sdk: kind === "app" ? sdk : undefined,
      extensionOf: extended,
    };
  } catch (error) {
    if (isDowelError(error)) return none;
    throw error;
  }
}

/** Everything that some installations have, with what it needs. */
export function listDependents(installations: readonly Installation[]): readonly Dependent[] {
  return installations.flatMap((installation) =>
    listDeployments(installation).map((deployment) => ({
      installation: installation.name,
      deployment,
      ...needsOf(deployment),
    })),
  );
}
