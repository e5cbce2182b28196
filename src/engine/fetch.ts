// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import type { Report } from "../base/events.ts";
import { formatRef, parseRef, sameRef } from "../metadata/ref.ts";
import { type LoadedImage, loadImage } from "../oci/image.ts";
import { addRemote, deleteRemote, listRemotes } from "../remotes/config.ts";
import { formatPlace, openPlace } from "../remotes/place.ts";
import { trustOnFirstUse } from "../remotes/trust/choice.ts";
import { verifyImage } from "../remotes/trust/verify.ts";
import { deployImage } from "../store/deploy/deploy.ts";
import type { Installation } from "../store/installation.ts";
import { pinObjects } from "../store/locks.ts";
import { importImage } from "../store/transfer/import.ts";
import type { Deployment } from "../store/types.ts";
import { originSettings } from "./origin.ts";
import { timestampOf } from "./planupdate.ts";
import type { InstallOperation, UpdateOperation } from "./types.ts";

export interface ChangeContext {
  readonly installation: Installation;
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
  /** How many versions stay beside the new one, where that is not for the installation to say. */
  readonly keepVersions?: number | undefined;
}

type FetchOperation = InstallOperation | UpdateOperation;

function contradiction(source: string, problem: string): DowelError {
  return new DowelError("IMAGE_UNSUITABLE", `${source} ${problem}`, {
    hint: "The catalogue of the remote and its images contradict each other; tell its owner.",
  });
}

/**
 * What a catalogue said of an image must be what the image says of itself: the ref, the metadata with the permissions
 * that the user agreed to (CVE-2021-43860), and for an update that it is not older.
 */
function checkImage(operation: FetchOperation, { config, labels }: LoadedImage, source: string): void {
  const wanted = formatRef(operation.ref);
  if (labels === undefined || !sameRef(parseRef(labels.ref), operation.ref)) {
    throw contradiction(source, `is for ${labels?.ref ?? "no ref at all"}, expected ${wanted}`);
  }
  if (labels.metadata !== operation.image.metadata) {
    throw contradiction(source, `has other metadata than the catalogue says for ${wanted}`);
  }
  if (operation.operation === "update" && timestampOf(config.labels) < timestampOf(operation.from.labels)) {
    throw contradiction(source, `is older than the installed ${wanted}`);
  }
}

async function fetchAndDeploy(operation: FetchOperation, context: ChangeContext): Promise<Deployment> {
  const { installation, report, signal, keepVersions } = context;
  const { image, origin, ref } = operation;
  await using source = await openPlace(image.place, signal);
  const loaded = await loadImage(source, `sha256:${image.commit}`, ref.arch, signal);
  const { descriptor, manifestBytes: bytes } = loaded;
  checkImage(operation, loaded, `${source.name}@${descriptor.digest}`);
  const remote = listRemotes(installation).find(({ name }) => name === origin);
  await verifyImage(installation, image.place, descriptor.digest, { remote, signal });
  using _pin = await pinObjects(installation, { report, signal });
  const stored = await importImage(installation, source, { descriptor, bytes }, { report, signal });
  const deployOptions = { origin, source: formatPlace(image.place), keepVersions, report, signal };
  return deployImage(installation, stored, deployOptions);
}

/**
 * Carries out an install or an update. The remote that it makes, if it makes one, is there before the deployment that
 * names it, and goes again where the deployment fails. Errors leave what was deployed before.
 */
export async function fetchOperation(operation: FetchOperation, context: ChangeContext): Promise<Deployment> {
  const { installation, signal } = context;
  const { newRemote } = operation;
  const isNew = newRemote !== undefined && !listRemotes(installation).some(({ name }) => name === newRemote.name);
  if (isNew) {
    const settings = { ...(newRemote.settings ?? originSettings), url: newRemote.url };
    await addRemote(installation, newRemote.name, settings, { ifNotExists: true, signal });
    await trustOnFirstUse(installation, newRemote.url, signal);
  }
  try {
    return await fetchAndDeploy(operation, context);
  } catch (error) {
    if (isNew) {
      await deleteRemote(installation, newRemote.name).catch((second: unknown) => {
        // Another process may have come to use it meanwhile.
        if (!isDowelError(second)) throw second;
      });
    }
    throw error;
  }
}
