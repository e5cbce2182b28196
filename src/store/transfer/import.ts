// SPDX-License-Identifier: Apache-2.0
import { type Report, silent } from "../../base/events.ts";
import type { ImageSource, ResolvedDocument } from "../../oci/source.ts";
import type { FoundDelta } from "../../oci/tocdelta.ts";
import { deployedCommits } from "../deployments.ts";
import type { StoredImage } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { pinObjects } from "../locks.ts";
import { ContentIndex } from "../objects/contents.ts";
import { ObjectStaging } from "../objects/staging.ts";
import { indexDeployed } from "../reindex.ts";
import { noteBegin, noteEnd } from "../unfinished.ts";
import { bringImage } from "./make.ts";
import { placesOf } from "./tables.ts";
import { deltasFor } from "./tardiff.ts";
import { mayHaveDeltas, TocDeltas } from "./tocdelta.ts";
import { readWanted } from "./wanted.ts";

export interface ImportOptions {
  /** The bytes of the config, where they are here already and were checked against the manifest. */
  readonly config?: Uint8Array | undefined;
  /** Where a catalogue says that deltas to the image are. */
  readonly deltaUrl?: string | undefined;
  /** The deltas that hang on its manifest, where somebody has asked for them already. */
  readonly deltas?: Promise<readonly FoundDelta[]> | undefined;
  /** The folders that are to be shown, of `parseSubpaths`; all where empty. */
  readonly subpaths?: readonly string[] | undefined;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Brings an image into an installation: fetches the layers that are not here, stores their contents, and writes
 * `images/MANIFEST/`. `document` is a manifest, not an index. Nothing is deployed yet, so hold a pin (`pinObjects`)
 * from before this call until after `deployImage`. An import that fails leaves no image; what was fetched is kept
 * for the next try.
 *
 * Throws what source and formats throw, `IMAGE_UNSUITABLE`, `METADATA_INVALID`, `TAR_UNSAFE`, `NO_SPACE`.
 */
export async function importImage(
  installation: Installation,
  source: ImageSource,
  document: ResolvedDocument,
  options: ImportOptions = {},
): Promise<StoredImage> {
  const { report = silent, signal, subpaths = [] } = options;
  using _pin = await pinObjects(installation, { report, signal });
  const image = await readWanted(source, document, options.config, signal);
  noteBegin(installation);
  await using staging = new ObjectStaging(installation);
  const isChunked = image.manifest.layers.some((layer) => placesOf(layer) !== undefined);
  using index = isChunked ? ContentIndex.open(installation) : undefined;
  if (index?.isEmpty === true) indexDeployed(index, installation, image.ref, signal);
  const earlier = deployedCommits(installation, image.ref);
  const deltas = new TocDeltas(
    { installation, source, manifest: image.digest, earlier, found: options.deltas },
    signal,
  );
  if (image.manifest.layers.some(mayHaveDeltas)) deltas.begin();
  const layerDeltas = await deltasFor(installation, source, image, options);
  const vouched = image.voucher !== undefined && subpaths.length === 0;
  const brought = await bringImage(
    { ...{ installation, source, staging, index, deltas, layerDeltas }, report, signal, vouched, subpaths, earlier },
    image,
  );
  if (staging.broughtOnly(brought.objects)) noteEnd(installation);
  return { ...brought.stored, newObjects: staging.newObjects };
}
