// SPDX-License-Identifier: Apache-2.0
import { deployedCommits, readDeployment, refsOf, tryRead } from "../deployments.ts";
import { loadImage } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { lockForChange, pinObjects, type WaitOptions } from "../locks.ts";
import { chooseShownAs } from "../probe.ts";
import { findRunning } from "./running.ts";
import { stageDeployment } from "./stage.ts";

/**
 * Has deployments shown by mounts that are shown by checkouts, where mounts can be had now: after another kernel has come,
 * or the installation has become root's own. Nothing is fetched: the objects are the same. What runs stays as it is.
 * Answers how many were switched; the caller mounts them. Throws `NO_SPACE`, `STORE_INVALID`, `STORE_LOCKED`.
 */
export async function switchToMounts(installation: Installation, options: WaitOptions = {}): Promise<number> {
  const checkouts = [...refsOf(installation)].flatMap((ref) =>
    deployedCommits(installation, ref).flatMap((commit) => {
      const deployment = tryRead(() => readDeployment(installation, ref, commit));
      return deployment?.shownAs === "checkout" ? [deployment] : [];
    }),
  );
  if (checkouts.length === 0 || chooseShownAs(installation) !== "composefs") return 0;
  using _pin = await pinObjects(installation, options);
  using _lock = await lockForChange(installation, options);
  const { commits, starting } = findRunning();
  if (starting) return 0;
  let count = 0;
  for (const { ref, commit, origin, source, deployedAt, previousIds } of checkouts) {
    const image = commits.has(commit) ? undefined : tryRead(() => loadImage(installation, commit));
    if (image === undefined || tryRead(() => readDeployment(installation, ref, commit)) === undefined) continue;
    stageDeployment(installation, image, { origin, source, deployedAt, previousIds, rebuild: true });
    count += 1;
  }
  return count;
}
