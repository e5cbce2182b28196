// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import type { Report } from "../base/events.ts";
import { formatRef, parseRef, sameRef } from "../metadata/ref.ts";
import { deltaUrlLabel } from "../oci/deltas.ts";
import { loadImage } from "../oci/image.ts";
import { listRemotes } from "../remotes/config.ts";
import { formatPlace, openPlace } from "../remotes/place.ts";
import { verifyImage } from "../remotes/trust/verify.ts";
import type { ImagePlace } from "../remotes/types.ts";
import { deployImage } from "../store/deploy/deploy.ts";
import { activeDeployment } from "../store/deployments.ts";
import { loadImage as loadStored, objectSizes, type StoredImage } from "../store/image/stored.ts";
import type { Installation } from "../store/installation.ts";
import { notePull } from "../store/journal.ts";
import { hasObject } from "../store/objects/paths.ts";
import { forgetPulled } from "../store/pulled.ts";
import { changeSetting } from "../store/settings.ts";
import { importImage } from "../store/transfer/import.ts";
import type { Deployment } from "../store/types.ts";
import type { MeasuredImage } from "./cost.ts";
import { fetchExtra, isExtraHere, prepareExtra } from "./extra/apply.ts";
import { checkMayInstall } from "./parental.ts";
import { timestampOf } from "./resolve/fetches.ts";
import type { InstallOperation, UpdateOperation } from "./types.ts";

export interface ChangeContext {
  readonly installation: Installation;
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
  /** How many versions stay beside the new one, where that is not for the installation to say. */
  readonly keepVersions?: number | undefined;
}

export interface FetchContext extends ChangeContext {
  /** Only what is in the installation already; nothing is fetched. */
  readonly noPull: boolean;
  /** Layouts that have images, by the commit; asked before the image's own place. */
  readonly sideloads: ReadonlyMap<string, ImagePlace>;
  /** Manifests and configs that are here already, by the commit. */
  readonly loaded: ReadonlyMap<string, MeasuredImage>;
  /** Whose parental controls count, where that is not this process's user. */
  readonly forUser?: number | undefined;
}

export type FetchOperation = InstallOperation | UpdateOperation;

function contradiction(source: string, problem: string): DowelError {
  return new DowelError("IMAGE_UNSUITABLE", `${source} ${problem}`, {
    hint: "The catalogue of the remote and its images contradict each other; tell its owner.",
  });
}

/**
 * What a catalogue said of an image must be what the image says of itself: the ref, the metadata with the permissions
 * that the user agreed to (CVE-2021-43860), and for an update that it is not older.
 */
function checkImage(operation: FetchOperation, labels: ReadonlyMap<string, string>, source: string): void {
  const wanted = formatRef(operation.ref);
  const ref = labels.get("org.flatpak.ref");
  if (ref === undefined || !sameRef(parseRef(ref), operation.ref)) {
    throw contradiction(source, `is for ${ref ?? "no ref at all"}, expected ${wanted}`);
  }
  if (labels.get("org.flatpak.metadata") !== operation.image.metadata) {
    throw contradiction(source, `has other metadata than the catalogue says for ${wanted}`);
  }
  if (operation.operation === "update" && timestampOf(labels) < timestampOf(operation.from.labels)) {
    throw contradiction(source, `is older than the installed ${wanted}`);
  }
}

/** An image that an earlier import brought whole. Throws `NOT_CACHED`. */
async function stored(operation: FetchOperation, context: FetchContext): Promise<StoredImage> {
  const { installation } = context;
  const image = loadStored(installation, operation.image.commit);
  if (image === undefined || ![...objectSizes(image.view).keys()].every((digest) => hasObject(installation, digest))) {
    throw new DowelError("NOT_CACHED", `${formatRef(operation.ref)} has not been fetched yet`, {
      hint: "Run the same command without --no-pull.",
    });
  }
  checkImage(operation, image.labels, installation.path);
  if (!isExtraHere(image, installation)) {
    throw new DowelError("NOT_CACHED", `The extra data of ${formatRef(operation.ref)} have not been fetched yet`, {
      hint: "Run the same command without --no-pull.",
    });
  }
  if (operation.operation === "install") await checkMayInstall(operation.ref, image.labels, context);
  return image;
}

async function importFrom(place: ImagePlace, operation: FetchOperation, context: FetchContext): Promise<StoredImage> {
  const { installation, report, signal } = context;
  const { image, ref } = operation;
  await using source = await openPlace(place, signal);
  const loaded: MeasuredImage =
    context.loaded.get(image.commit) ?? (await loadImage(source, `sha256:${image.commit}`, ref.arch, signal));
  const { descriptor, manifestBytes: bytes, configBytes: config, deltas } = loaded;
  checkImage(operation, loaded.config.labels, `${source.name}@${descriptor.digest}`);
  if (operation.operation === "install") await checkMayInstall(ref, loaded.config.labels, context);
  const remote = listRemotes(installation).find(({ name }) => name === operation.origin);
  const tags = [...image.tags, ref.branch];
  await verifyImage(installation, image.place, descriptor.digest, { remote, tags, signal });
  const deltaUrl = image.labels.get(deltaUrlLabel);
  const { subpaths } = operation;
  const options = { report, signal, config, deltaUrl, deltas, subpaths };
  const imported = await importImage(installation, source, { descriptor, bytes }, options);
  notePulled(operation, place, context);
  await fetchExtra(imported, context);
  return imported;
}

function notePulled(operation: FetchOperation, place: ImagePlace, { installation, report }: FetchContext): void {
  const { image, ref, origin: remote } = operation;
  const oldCommit = operation.operation === "update" ? operation.from.commit : "";
  const pulled = { ref: formatRef(ref), remote, url: formatPlace(place), commit: image.commit, oldCommit };
  notePull(installation, pulled, report);
}

/**
 * Brings the image of an install or update into the store. The caller holds a pin until it is deployed. Where a layout
 * that has it fails, it comes from its own place.
 */
export async function importOperation(operation: FetchOperation, context: FetchContext): Promise<StoredImage> {
  if (context.noPull) return await stored(operation, context);
  const sideload = context.sideloads.get(operation.image.commit);
  if (sideload !== undefined) {
    try {
      return await importFrom(sideload, operation, context);
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED" || error.code === "NO_SPACE") throw error;
      context.report({ type: "warning", text: `${formatPlace(sideload)}: ${error.message}` });
    }
  }
  return await importFrom(operation.image.place, operation, context);
}

/** Others may have removed the runtime since this was planned. Throws `RUNTIME_NOT_FOUND`. */
function checkRuntime({ ref, reliesOn }: FetchOperation, installation: Installation): void {
  if (reliesOn === undefined || activeDeployment(installation, reliesOn) !== undefined) return;
  const problem = `${formatRef(ref)} needs ${formatRef(reliesOn)}, which has been removed meanwhile`;
  throw new DowelError("RUNTIME_NOT_FOUND", problem, { hint: "Run the same command again." });
}

/** Makes the imported image of an install or update the active deployment. Errors leave what was deployed before. */
export async function deployOperation(
  operation: FetchOperation,
  image: StoredImage,
  context: ChangeContext,
): Promise<Deployment> {
  const { installation, report, signal, keepVersions } = context;
  const { origin, previousIds } = operation;
  const source = formatPlace(operation.image.place);
  const check = (): void => checkRuntime(operation, installation);
  const options = { origin, source, previousIds, keepVersions, report, signal, check };
  const deployment = await deployImage(installation, await prepareExtra(image, context), options);
  forgetPulled(installation, image.commit);
  if (operation.operation === "install" && operation.pin) await pinRuntime(installation, formatRef(operation.ref));
  return deployment;
}

async function pinRuntime(installation: Installation, ref: string): Promise<void> {
  await changeSetting(installation, "pinned", (pins = []) => (pins.includes(ref) ? pins : [...pins, ref]));
}
