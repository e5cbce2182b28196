// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../base/errors.ts";
import { mapAtMost } from "../base/parallel.ts";
import { readExtraData } from "../metadata/extradata.ts";
import { digestHex } from "../oci/digest.ts";
import { type LoadedImage, loadImage } from "../oci/image.ts";
import { openPlace } from "../remotes/place.ts";
import type { ImagePlace } from "../remotes/types.ts";
import { tryRead } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { hasExtra } from "../store/transfer/extra.ts";
import type { FetchOperation } from "./fetch.ts";
import { makePlan } from "./plan.ts";
import type { Operation, Plan } from "./types.ts";

/** Manifests that are asked for at the same time. */
const parallel = 8;

/** A plan with its true sizes, and the manifests and configs that say so, by the commit. */
export interface Measured {
  readonly plan: Plan;
  readonly loaded: ReadonlyMap<string, LoadedImage>;
}

export interface MeasureOptions {
  readonly sideloads?: ReadonlyMap<string, ImagePlace> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Undefined where it cannot be had; what is wrong shows when it is needed. */
async function load(operation: FetchOperation, options: MeasureOptions): Promise<LoadedImage | undefined> {
  const { image, ref } = operation;
  try {
    await using source = await openPlace(options.sideloads?.get(image.commit) ?? image.place, options.signal);
    return await loadImage(source, `sha256:${image.commit}`, ref.arch, options.signal);
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    return undefined;
  }
}

async function loadAll(
  operations: readonly FetchOperation[],
  options: MeasureOptions,
): Promise<ReadonlyMap<string, LoadedImage>> {
  const images = await mapAtMost(operations, parallel, (operation) => load(operation, options));
  return new Map(operations.flatMap(({ image }, at) => (images[at] === undefined ? [] : [[image.commit, images[at]]])));
}

/** Bytes of the layers that the installation lacks and that no image before has brought; `seen` takes them up. */
function missingBytes(image: LoadedImage, installation: Installation, seen: Set<string>): number {
  let bytes = 0;
  for (const [at, { digest, size }] of image.manifest.layers.entries()) {
    const diffId = image.config.diffIds[at];
    const isHere = diffId !== undefined && existsSync(join(installation.layers, digestHex(diffId)));
    if (!isHere && !seen.has(digest)) bytes += size;
    seen.add(digest);
  }
  return bytes;
}

/** What the extra data of an image cost, unless they are a part of it already. */
function missingExtra({ config }: LoadedImage, { image }: FetchOperation, installation: Installation) {
  const none = { downloadSize: 0, installedSize: 0 };
  const extra = tryRead(() => readExtraData(image.metadata, config.labels));
  if (extra === undefined || hasExtra(installation, image.commit)) return none;
  return extra.files.reduce(
    (sum, file) => ({
      downloadSize: sum.downloadSize + file.size,
      installedSize: sum.installedSize + file.installedSize,
    }),
    none,
  );
}

/**
 * Asks for the manifests of what a plan fetches and works out what must come at most: layers that are here already, or come
 * with another image of the plan, count once. An image that cannot be asked for keeps the size that its label says.
 */
export async function measurePlan(
  plan: Plan,
  installation: Installation,
  options: MeasureOptions = {},
): Promise<Measured> {
  const fetches = plan.operations.filter((operation) => operation.operation !== "uninstall");
  const loaded = await loadAll(fetches, options);
  const seen = new Set<string>();
  const operations = plan.operations.map((operation): Operation => {
    if (operation.operation === "uninstall") return operation;
    const image = loaded.get(operation.image.commit);
    if (image === undefined) return operation;
    const extra = missingExtra(image, operation, installation);
    const downloadSize = missingBytes(image, installation, seen) + extra.downloadSize;
    const installedSize = operation.image.installedSize + extra.installedSize;
    return { ...operation, image: { ...operation.image, downloadSize, installedSize } };
  });
  return { plan: makePlan(operations, plan), loaded };
}
