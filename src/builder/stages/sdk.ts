// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { type Metadata, parseMetadata } from "../../metadata/metadata.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import { activeDeployment, readDeployment } from "../../store/deployments.ts";
import { openInstallation } from "../../store/installation.ts";
import type { InstallationPlace } from "../../store/places.ts";
import { lowerOf } from "../../store/shown.ts";
import type { Deployment } from "../../store/types.ts";
import { showDeployment } from "../../system/show.ts";
import { readDocument } from "../manifest/include.ts";
import { decodeSdkDefaults } from "../manifest/options.ts";
import type { BuildOptions, Manifest } from "../manifest/types.ts";

export interface Sdk {
  readonly ref: Ref;
  /** Digest of its image, hex. */
  readonly commit: string;
  /** Overlay folder that holds `usr/`. */
  readonly lower: string;
  readonly metadata: Metadata;
  /** What the Sdk itself says about building with it, the weakest of all options. */
  readonly options: BuildOptions;
}

/** The refs of runtime and Sdk that a manifest names. */
export function manifestRefs(manifest: Manifest, arch: string): { readonly runtime: Ref; readonly sdk: Ref } {
  const [id = "", sdkArch = "", branch = ""] = manifest.sdk.split("/");
  return {
    runtime: { kind: "runtime", id: manifest.runtime, arch, branch: manifest.runtimeVersion },
    sdk: {
      kind: "runtime",
      id,
      arch: sdkArch === "" ? arch : sdkArch,
      branch: branch === "" ? manifest.runtimeVersion : branch,
    },
  };
}

/** What is installed under a ref: the active version, or one that is named and still there. */
export function deploymentOf(place: InstallationPlace, ref: Ref, commit?: string): Deployment | undefined {
  const installation = openInstallation(place);
  return commit === undefined ? activeDeployment(installation, ref) : readDeployment(installation, ref, commit);
}

/** Finds the Sdk in the first installation that has it. Throws `RUNTIME_NOT_FOUND`. */
export async function findSdk(
  ref: Ref,
  commit: string | undefined,
  places: readonly InstallationPlace[],
  signal?: AbortSignal,
): Promise<Sdk> {
  for (const place of places) {
    const deployment = deploymentOf(place, ref, commit);
    if (deployment === undefined) continue;
    await showDeployment(deployment, signal);
    const lower = lowerOf(deployment);
    const metadata = parseMetadata(deployment.metadata);
    return { ref, commit: deployment.commit, lower, metadata, options: readOptions(lower) };
  }
  const searched = places.map(({ path }) => path).join(", ");
  throw new DowelError(
    "RUNTIME_NOT_FOUND",
    `The Sdk ${formatRef(ref)}${commit === undefined ? "" : ` of commit ${commit}`} is not installed (looked in ${searched})`,
    {
      hint: `Install it first: dowel install ${ref.id}//${ref.branch}`,
    },
  );
}

function readOptions(lower: string): BuildOptions {
  const name = "etc/flatpak-builder/defaults.json";
  const path = join(lower, "usr", name);
  if (!existsSync(path)) return decodeSdkDefaults(undefined);
  return decodeSdkDefaults(readDocument(path, `Sdk: ${name}`));
}
