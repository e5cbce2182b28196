// SPDX-License-Identifier: Apache-2.0
import { fileError } from "../../base/errors.ts";
import { formatRef } from "../../metadata/ref.ts";
import { currentLink } from "../deployments.ts";
import { linkExports, publishExports } from "../exports/publish.ts";
import type { Installation } from "../installation.ts";
import { lockForChange, type WaitOptions } from "../locks.ts";
import type { Deployment } from "../types.ts";
import { swapLink } from "./links.ts";

/** Makes an installed branch of an app its current one, whose files are exported. Throws `STORE_LOCKED`, `IO`. */
export async function chooseCurrent(
  installation: Installation,
  { ref, path }: Deployment,
  options: WaitOptions = {},
): Promise<void> {
  using _lock = await lockForChange(installation, options);
  try {
    linkExports(installation, ref.id, path);
    swapLink(`${ref.arch}/${ref.branch}`, currentLink(installation, ref.id));
    publishExports(installation, ref.id);
  } catch (error) {
    throw fileError(error, `make ${formatRef(ref)} current in`, installation.path);
  }
}
