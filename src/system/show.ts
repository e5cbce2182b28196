// SPDX-License-Identifier: Apache-2.0
import { type DowelError, isDowelError } from "../base/errors.ts";
import { silent } from "../base/events.ts";
import { type Installation, openInstallation } from "../store/installation.ts";
import { namedPlaces, systemPlace } from "../store/places.ts";
import { ensureShown, installationOf } from "../store/shown.ts";
import type { Deployment } from "../store/types.ts";
import { SystemService } from "./client.ts";

/** The service, where it can be had at all; else whoever starts the app is told what only root can do. */
async function connect(installation: Installation, because: DowelError, signal: AbortSignal): Promise<SystemService> {
  try {
    return await SystemService.connect(installation, signal);
  } catch (error) {
    throw isDowelError(error) && error.code !== "ABORTED" ? because : error;
  }
}

/**
 * Sees to it that the files of a deployment can be read, as `ensureShown` does; where only root can mount its image, the
 * system service is asked to, by the image's digest. Throws what `ensureShown` throws.
 */
export async function showDeployment(deployment: Deployment, signal?: AbortSignal): Promise<void> {
  try {
    await ensureShown(deployment, signal);
  } catch (error) {
    if (!isDowelError(error, "UNSUPPORTED")) throw error;
    const path = installationOf(deployment);
    const place = [systemPlace(), ...namedPlaces()].find((one) => one.path === path);
    if (place === undefined) throw error;
    const wait = signal ?? new AbortController().signal;
    using service = await connect(openInstallation(place), error, wait);
    const wanted = { kind: "mount", image: deployment.imageDigest } as const;
    await service.carryOutChange(wanted, { report: silent, signal: wait, interactive: false });
    await ensureShown(deployment, signal);
  }
}
