// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileError, isDowelError } from "../../base/errors.ts";
import { type Report, silent } from "../../base/events.ts";
import { syncFileSystem, syncFolder, writeFileDurably } from "../../sys/durability.ts";
import { replaceFolder } from "../../sys/exchange.ts";
import { makeTempFolder } from "../../sys/tempfolder.ts";
import { encodeDeployment, readDeployment, refFolder } from "../deployments.ts";
import { collectExports } from "../exports/collect.ts";
import type { StoredImage } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { chooseShownAs } from "../probe.ts";
import { sealImage } from "../seal.ts";
import { lowerOf } from "../shown.ts";
import type { Deployment } from "../types.ts";
import { checkOut } from "./checkout.ts";

export interface StageOptions {
  /** Name of the remote. */
  readonly origin: string;
  /** `docker://HOST/REPO` or `oci:DIR`, for updates. */
  readonly source: string;
  /** Build it anew even where one of the same image is there. */
  readonly rebuild?: boolean | undefined;
  /** When it was first deployed, in seconds since the epoch; now, where that is not said. */
  readonly deployedAt?: number | undefined;
  /** Ids that the app had before, oldest first. */
  readonly previousIds?: readonly string[] | undefined;
  readonly report?: Report | undefined;
}

/**
 * Builds the deployment of an image in `tmp/`, makes it durable and puts it in its place; it is not active by that. One
 * of the same image that is there already stays. To be called under the lock for changes.
 */
export function stageDeployment(installation: Installation, image: StoredImage, options: StageOptions): Deployment {
  const path = join(refFolder(installation, image.ref), image.commit);
  const deployment: Deployment = {
    ref: image.ref,
    commit: image.commit,
    path,
    origin: options.origin,
    source: options.source,
    metadata: image.metadata,
    shownAs: chooseShownAs(installation),
    imageDigest: image.imageDigest,
    installedSize: image.installedSize,
    downloadSize: image.downloadSize,
    deployedAt: options.deployedAt ?? Math.floor(Date.now() / 1000),
    ...(options.previousIds === undefined || options.previousIds.length === 0
      ? {}
      : { previousIds: options.previousIds }),
    ...(image.subpaths.length === 0 ? {} : { subpaths: image.subpaths }),
    labels: image.labels,
  };
  if (deployment.shownAs === "composefs") sealImage(installation, image.commit, image.imageDigest);
  if (options.rebuild !== true && isThere(installation, deployment)) {
    writeFileDurably(join(path, "deploy.json"), encodeDeployment(deployment));
    return deployment;
  }
  const staged = makeTempFolder(join(installation.tmp, "deploy-"));
  const folder = join(staged, "deployment");
  try {
    build(installation, image, deployment, folder, options.report ?? silent);
    syncFileSystem(folder);
    mkdirSync(dirname(path), { recursive: true });
    replaceFolder(folder, path);
    syncFolder(dirname(path));
  } catch (error) {
    throw fileError(error, "deploy", path);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
  return deployment;
}

function isThere(installation: Installation, { ref, commit, imageDigest, shownAs }: Deployment): boolean {
  try {
    const there = readDeployment(installation, ref, commit);
    return there?.imageDigest === imageDigest && there.shownAs === shownAs;
  } catch (error) {
    if (isDowelError(error, "STORE_INVALID")) return false;
    throw error;
  }
}

function build(
  installation: Installation,
  image: StoredImage,
  deployment: Deployment,
  folder: string,
  report: Report,
): void {
  mkdirSync(folder, { mode: 0o755 });
  if (deployment.shownAs === "checkout") checkOut(installation, image.view.root, join(folder, "root"));
  symlinkSync(shownFiles(deployment), join(folder, "files"));
  writeFileSync(join(folder, "metadata"), image.metadata);
  writeFileSync(join(folder, "deploy.json"), encodeDeployment(deployment));
  collectExports(installation, image, deployment.previousIds ?? [], join(folder, "export"), report);
}

/** Where the link `files` of a deployment leads. */
export function shownFiles(deployment: Deployment): string {
  const shown = deployment.shownAs === "checkout" ? "root" : lowerOf(deployment);
  return join(shown, deployment.ref.kind === "app" ? "app" : "usr");
}
