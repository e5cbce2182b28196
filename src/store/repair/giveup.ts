// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { silent } from "../../base/events.ts";
import { formatRef } from "../../metadata/ref.ts";
import { readLink } from "../deploy/links.ts";
import { retire, retiredCommits } from "../deploy/retire.ts";
import { refFolder } from "../deployments.ts";
import type { Installation } from "../installation.ts";
import { noteDropped } from "../journal.ts";
import { lockForChange, pinObjects, type WaitOptions } from "../locks.ts";
import { unmountUnused } from "../shown.ts";
import type { Version } from "./versions.ts";

/**
 * Gives up a version that is kept to go back to, damaged, and can be had nowhere any more: what is left of it goes, and the
 * journal says so. What runs of it stays until it ends. Answers whether that was done: not to one that became active meanwhile.
 */
export async function giveUp(
  installation: Installation,
  { ref, commit, path, origin, deployment }: Version,
  options: WaitOptions = {},
): Promise<boolean> {
  using _pin = await pinObjects(installation, options);
  using _lock = await lockForChange(installation, options);
  if (readLink(join(refFolder(installation, ref), "active")) === commit) return false;
  const { origin: remote = "", source: url = "" } = origin ?? {};
  noteDropped(installation, { ref: formatRef(ref), remote, url, commit }, options.report ?? silent);
  if (existsSync(path)) retire(installation, [path]);
  // A damaged image does not say which mount is its own.
  if (deployment !== undefined && !retiredCommits(installation).has(commit)) {
    unmountUnused(installation, [deployment.imageDigest]);
  }
  return true;
}
