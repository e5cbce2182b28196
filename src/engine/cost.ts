// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../base/errors.ts";
import { mapAtMost } from "../base/parallel.ts";
import { readExtraData } from "../metadata/extradata.ts";
import { digestHex, isDigest } from "../oci/digest.ts";
import { type LoadedImage, loadImage } from "../oci/image.ts";
import type { ImageSource } from "../oci/source.ts";
import { type FoundDelta, findTocDeltas } from "../oci/tocdelta.ts";
import { openPlace } from "../remotes/place.ts";
import { takesUnsigned } from "../remotes/trust/verify.ts";
import type { ImagePlace } from "../remotes/types.ts";
import { tryRead } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { hasExtra } from "../store/transfer/extra.ts";
import { hasDeltaLayers } from "../store/transfer/tocdelta.ts";
import type { FetchOperation } from "./fetch.ts";
import { makePlan } from "./plan.ts";
import type { Operation, Plan } from "./types.ts";

/** Manifests that are asked for at the same time. */
const parallel = 8;

/** An image of a plan, as its manifest and config say. */
export interface MeasuredImage extends LoadedImage {
  /** The deltas that hang on its manifest, where they are asked for already. */
  readonly deltas?: Promise<readonly FoundDelta[]> | undefined;
}

/** A plan with its true sizes, and the manifests and configs that say so, by the commit. */
export interface Measured {
  readonly plan: Plan;
  readonly loaded: ReadonlyMap<string, MeasuredImage>;
}

export interface MeasureOptions {
  readonly sideloads?: ReadonlyMap<string, ImagePlace> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Begins to look for deltas to an image while its manifest is asked for: the commit is the manifest's digest. Only where it
 * is likely to have some, and where nothing of an image has to wait until somebody was found to have signed it.
 */
function deltasAhead(
  operation: FetchOperation,
  source: ImageSource,
  installation: Installation,
  signal: AbortSignal | undefined,
): Promise<readonly FoundDelta[]> | undefined {
  if (operation.operation !== "update" || !hasDeltaLayers(installation, operation.from.commit)) return undefined;
  const { place, commit } = operation.image;
  const digest = `sha256:${commit}`;
  if (place.kind !== "registry" || !isDigest(digest) || !takesUnsigned(installation, place)) return undefined;
  const deltas = findTocDeltas(source, digest, signal);
  // What is wrong shows where they are used.
  deltas.catch(() => undefined);
  return deltas;
}

/** Undefined where it cannot be had; what is wrong shows when it is needed. */
async function load(
  operation: FetchOperation,
  installation: Installation,
  { sideloads, signal }: MeasureOptions,
): Promise<MeasuredImage | undefined> {
  const { image, ref } = operation;
  const sideload = sideloads?.get(image.commit);
  try {
    await using source = await openPlace(sideload ?? image.place, signal);
    const deltas = sideload === undefined ? deltasAhead(operation, source, installation, signal) : undefined;
    const loaded = await loadImage(source, `sha256:${image.commit}`, ref.arch, signal);
    return loaded.descriptor.digest === `sha256:${image.commit}` ? { ...loaded, deltas } : loaded;
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    return undefined;
  }
}

async function loadAll(
  operations: readonly FetchOperation[],
  installation: Installation,
  options: MeasureOptions,
): Promise<ReadonlyMap<string, MeasuredImage>> {
  const images = await mapAtMost(operations, parallel, (operation) => load(operation, installation, options));
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
  const loaded = await loadAll(fetches, installation, options);
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
