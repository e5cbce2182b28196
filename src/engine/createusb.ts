// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { DowelError, fileError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef, type RefKind } from "../metadata/ref.ts";
import { copyImage } from "../oci/copy.ts";
import { copyReferrers } from "../oci/copyreferrers.ts";
import type { Digest } from "../oci/digest.ts";
import { openLayoutWriter } from "../oci/layoutwriter.ts";
import { openPlace } from "../remotes/place.ts";
import { listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { placeOf } from "./commit.ts";
import { findInstalled, type Located } from "./find.ts";
import { needsOf } from "./resolve/needs.ts";
import { extensionsOf } from "./resolve/related.ts";
import { sideloadFolder } from "./sideload.ts";

export interface UsbOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
  /** Folder on the medium, relative to it. */
  readonly folder?: string | undefined;
  /** Leave out what cannot be had from its origin instead of failing. */
  readonly allowPartial?: boolean;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The named refs with the runtimes that they run on and the installed extensions of both. */
function withNeeded(named: readonly Located[], installations: readonly Installation[]): readonly Located[] {
  const all = installations.flatMap((installation) =>
    listDeployments(installation).map((deployment): Located => ({ installation, deployment })),
  );
  const byRef = new Map(all.map((located) => [formatRef(located.deployment.ref), located]));
  const refs = all.map(({ deployment }) => deployment.ref);
  const result = new Map<string, Located>();
  const add = (located: Located): void => {
    const name = formatRef(located.deployment.ref);
    if (result.has(name)) return;
    result.set(name, located);
    const { runtime } = needsOf(located.deployment);
    const extensions = extensionsOf(located.deployment.ref, located.deployment.metadata, refs);
    for (const needed of [...(runtime === undefined ? [] : [runtime]), ...extensions.map(({ ref }) => ref)]) {
      const found = byRef.get(formatRef(needed));
      if (found !== undefined) add(found);
    }
  };
  for (const located of named) add(located);
  return [...result.values()];
}

function layoutPath(medium: string, folder: string): string {
  if (isAbsolute(folder) || folder.split("/").includes("..")) {
    throw new DowelError("USAGE", `${folder}: the folder must be relative to the medium, without ..`);
  }
  const path = join(medium, folder);
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw fileError(error, "create", path);
  }
  return path;
}

/**
 * Copies installed refs, with all they need, to an OCI layout on a medium, from which `--sideload-repo` and `oci:` install
 * them elsewhere without the network. The images come from their origins, by their digests. Answers what was copied.
 */
export async function createUsb(
  installations: readonly Installation[],
  medium: string,
  names: readonly string[],
  options: UsbOptions = {},
): Promise<readonly Deployment[]> {
  const { report = silent, signal } = options;
  const named = names.map((name) => findInstalled(installations, name, options));
  const wanted = withNeeded(named, installations);
  const writer = await openLayoutWriter(layoutPath(medium, options.folder ?? sideloadFolder), signal);
  const copied: Deployment[] = [];
  for (const { installation, deployment } of wanted) {
    const name = formatRef(deployment.ref);
    report({ type: "note", text: `Copying ${name}` });
    try {
      await using source = await openPlace(placeOf(installation, deployment), signal);
      await copyImage(source, writer, { from: `sha256:${deployment.commit}`, to: name, report, signal });
      await copyReferrers(source, writer, `sha256:${deployment.commit}` as Digest, { report, signal });
      copied.push(deployment);
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED" || options.allowPartial !== true) throw error;
      report({ type: "warning", text: `${name} is left out: ${error.message}` });
    }
  }
  return copied;
}
