// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoOf, fileError, isDowelError } from "../../base/errors.ts";
import { silent } from "../../base/events.ts";
import { formatRef } from "../../metadata/ref.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { makeTempFolder } from "../../sys/tempfolder.ts";
import { readLink, swapLink } from "../deploy/links.ts";
import { shownFiles, stageDeployment } from "../deploy/stage.ts";
import { currentLink, currentRef, refFolder } from "../deployments.ts";
import { collectExports } from "../exports/collect.ts";
import { publishExports } from "../exports/publish.ts";
import type { StoredImage } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { isBeyondReach } from "../probe.ts";
import { ensureShown, hideImage } from "../shown.ts";
import type { Deployment } from "../types.ts";
import { checkCheckout } from "./checkout.ts";
import type { Version } from "./versions.ts";

/** What is wrong with a deployment that cannot be read. */
export function lossOf(path: string): string {
  return existsSync(path) ? "deploy.json is missing or malformed" : "the folder of this version is lost";
}

/** What first is wrong with a deployment, compared with its image; undefined where nothing is. */
export function checkDeployment(
  installation: Installation,
  { ref, commit, path, deployment }: Version,
  image: StoredImage,
): string | undefined {
  if (deployment === undefined) return lossOf(path);
  if (formatRef(deployment.ref) !== formatRef(ref) || deployment.commit !== commit) {
    return `deploy.json is that of ${formatRef(deployment.ref)} ${deployment.commit}`;
  }
  if (isBeyondReach(installation, deployment)) return "it is shown by a mount, which cannot be made here";
  if (deployment.imageDigest !== image.imageDigest) return `deploy.json names the image ${deployment.imageDigest}`;
  if (deployment.metadata !== image.metadata || read(join(path, "metadata")) !== image.metadata) {
    return "its metadata are missing or damaged";
  }
  if (readLink(join(path, "files")) !== shownFiles(deployment)) return "the link files is missing or damaged";
  const problem = checkExported(installation, image, deployment.previousIds ?? [], join(path, "export"));
  if (problem !== undefined || deployment.shownAs !== "checkout") return problem;
  return checkCheckout(installation, image.view.root, join(path, "root"));
}

/** Exports are made again, elsewhere, and compared. */
function checkExported(
  installation: Installation,
  image: StoredImage,
  previousIds: readonly string[],
  path: string,
): string | undefined {
  const folder = makeTempFolder(join(tmpdir(), "dowel-repair-"));
  try {
    const made = join(folder, "export");
    collectExports(installation, image, previousIds, made, silent);
    const wanted = readTree(made);
    const found = readTree(path);
    const wrong = [...new Set([...wanted.keys(), ...found.keys()])].find(
      (name) => wanted.get(name) !== found.get(name),
    );
    return wrong === undefined ? undefined : `${join(path, wrong)} is not what the app exports`;
  } catch (error) {
    if (isDowelError(error)) return error.message;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Files and folders by their path below the given folder. */
function readTree(folder: string, below = "", result = new Map<string, string>()): ReadonlyMap<string, string> {
  try {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = join(below, entry.name);
      if (entry.isDirectory()) {
        result.set(path, "folder");
        readTree(folder, path, result);
      } else result.set(path, entry.isFile() ? `file ${readFileSync(join(folder, path), "latin1")}` : "other");
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "read", folder);
  }
  return result;
}

function read(path: string): string | undefined {
  try {
    return readPlainFile(path).toString();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || isDowelError(error)) return undefined;
    throw fileError(error, "read", path);
  }
}

/**
 * Builds a version anew from its image, whose contents are all there, and shows it. To be called under the lock for
 * changes. Throws what `deployImage` throws.
 */
export async function rebuild(
  installation: Installation,
  version: Version,
  image: StoredImage,
  signal?: AbortSignal,
): Promise<Deployment | undefined> {
  if (version.origin === undefined) return undefined;
  const { ref, commit, deployedAt } = version;
  const { origin, source } = version.origin;
  const { previousIds } = version.deployment ?? {};
  const options = { origin, source, deployedAt, previousIds, rebuild: true };
  const deployment = stageDeployment(installation, image, options);
  hideImage(installation, deployment.imageDigest);
  await ensureShown(deployment, signal);
  if (!version.isActive) return deployment;
  swapLink(commit, join(refFolder(installation, ref), "active"));
  if (ref.kind !== "app") return deployment;
  if (currentRef(installation, ref.id) === undefined) {
    swapLink(`${ref.arch}/${ref.branch}`, currentLink(installation, ref.id));
  }
  publishExports(installation, ref.id);
  return deployment;
}
