// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { formatRef, type Ref, sameRef } from "../../metadata/ref.ts";
import { syncFolder } from "../../sys/durability.ts";
import {
  activeDeployment,
  currentLink,
  currentRef,
  deployedCommits,
  refFolder,
  refsOf,
  requireDeployment,
} from "../deployments.ts";
import { publishExports } from "../exports/publish.ts";
import type { Installation } from "../installation.ts";
import { noteOrWarn } from "../journal.ts";
import { type CheckOptions, lockForChange, pinObjects, type WaitOptions } from "../locks.ts";
import { swapLink } from "./links.ts";
import { removeFolder } from "./remove.ts";
import { retire } from "./retire.ts";

/**
 * Removes all deployments of a ref and its exports; another branch of the app becomes current, if there is one. What
 * runs stays readable until it ends. The image and the objects stay until `collectGarbage`. Throws `NOT_INSTALLED`, `STORE_LOCKED`.
 */
export async function undeploy(
  installation: Installation,
  ref: Ref,
  options: WaitOptions & CheckOptions = {},
): Promise<void> {
  requireDeployment(installation, ref);
  using _pin = await pinObjects(installation, options);
  using _lock = await lockForChange(installation, options);
  const active = requireDeployment(installation, ref);
  options.check?.();
  const folder = refFolder(installation, ref);
  // Noted first: where the journal says so, what a crash leaves of the deployment is not mended but removed.
  noteOrWarn(installation, "uninstall", active, { oldCommit: active.commit }, options.report);
  try {
    rmSync(join(folder, "active"), { force: true });
    syncFolder(folder);
    if (ref.kind === "app") {
      chooseCurrent(installation, ref);
      publishExports(installation, ref.id);
    }
  } catch (error) {
    throw fileError(error, `remove ${formatRef(ref)} from`, installation.path);
  }
  retire(
    installation,
    deployedCommits(installation, ref).map((commit) => join(folder, commit)),
  );
  removeFolder(installation, folder);
  const isLast = !refsOf(installation, ref.id).some((other) => other.kind === ref.kind);
  if (isLast) removeFolder(installation, join(installation.path, ref.kind, ref.id));
}

function chooseCurrent(installation: Installation, removed: Ref): void {
  const current = currentRef(installation, removed.id);
  if (current !== undefined && !sameRef(current, removed)) return;
  const link = currentLink(installation, removed.id);
  for (const ref of refsOf(installation, removed.id)) {
    if (ref.kind !== "app" || activeDeployment(installation, ref) === undefined) continue;
    swapLink(`${ref.arch}/${ref.branch}`, link);
    return;
  }
  rmSync(link, { force: true });
  if (existsSync(dirname(link))) syncFolder(dirname(link));
}
