// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { parseRef, parseRuntimeName, type Ref } from "../metadata/ref.ts";
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
    // Not parseMetadata(), which reads permissions too: a list needs this of every deployment.
    const keyfile = parseKeyfile(deployment.metadata, "metadata");
    const needed = (key: string): Ref | undefined => {
      const text = deployment.ref.kind === "app" ? keyfile.get("Application", key) : undefined;
      return text === undefined || text === "" ? undefined : parseRuntimeName(text);
    };
    const extended = keyfile.get("ExtensionOf", "ref");
    const extensionOf = extended === undefined ? undefined : parseRef(extended);
    return { runtime: needed("runtime"), sdk: needed("sdk"), extensionOf };
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
