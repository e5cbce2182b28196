// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, isDowelError } from "../../base/errors.ts";
import { type Report, silent } from "../../base/events.ts";
import { limits } from "../../base/limits.ts";
import { decodeConfig, type ImageConfig } from "../../oci/config.ts";
import { digestHex } from "../../oci/digest.ts";
import { decodeManifest, type ImageManifest } from "../../oci/manifest.ts";
import type { ImageSource, ResolvedDocument } from "../../oci/source.ts";
import { deployedCommits } from "../deployments.ts";
import { addExtra, completeExtra } from "../image/extra.ts";
import { metadataOf, refOfLabels } from "../image/identity.ts";
import { LayerStack } from "../image/layers.ts";
import { encodeRecord, ownRecordName, saveRecord } from "../image/record.ts";
import { imageFolder, imageOf, type MadeImage, objectSizes, type StoredImage, writeImage } from "../image/stored.ts";
import { subsetOf } from "../image/subset.ts";
import type { FileNode, FolderNode } from "../image/tree.ts";
import { type ImageView, viewOf } from "../image/view.ts";
import { treeDigest, viewDigest, voucherOf } from "../image/voucher.ts";
import type { Installation } from "../installation.ts";
import { pinObjects } from "../locks.ts";
import { ContentIndex } from "../objects/contents.ts";
import { ObjectStaging } from "../objects/staging.ts";
import { indexDeployed } from "../reindex.ts";
import { noteBegin, noteEnd } from "../unfinished.ts";
import { commitBytes, type LayerContext } from "./context.ts";
import { addKnownLayer, fetchLayer } from "./layer.ts";
import { placesOf } from "./tables.ts";
import { deltasFor } from "./tardiff.ts";
import { TocDeltas } from "./tocdelta.ts";

export interface ImportOptions {
  /** The bytes of the config, where they are here already and were checked against the manifest. */
  readonly config?: Uint8Array | undefined;
  /** Where a catalogue says that deltas to the image are. */
  readonly deltaUrl?: string | undefined;
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
  const { descriptor, bytes } = document;
  const name = `${source.name}@${descriptor.digest}`;
  const manifest = decodeManifest(bytes, descriptor.mediaType, name);
  const configBytes = options.config ?? (await source.fetchDocument(manifest.config, signal));
  const config = decodeConfig(configBytes, `${name}: config`);
  const ref = refOfLabels(config.labels, name);
  checkLayers(manifest, config, name);

  noteBegin(installation);
  await using staging = new ObjectStaging(installation);
  const isChunked = manifest.layers.some((layer) => placesOf(layer) !== undefined);
  using index = isChunked ? ContentIndex.open(installation) : undefined;
  if (index?.isEmpty === true) indexDeployed(index, installation, ref, signal);
  const voucher = voucherOf(manifest.annotations);
  const earlier = deployedCommits(installation, ref);
  const deltas = new TocDeltas(installation, source, earlier.length > 0 ? descriptor.digest : undefined, signal);
  const image = { manifest, config, ref, digest: descriptor.digest };
  const layerDeltas = await deltasFor(installation, source, image, options);
  const isSubset = subpaths.length > 0;
  const vouched = voucher !== undefined && !isSubset;
  const context = {
    installation,
    source,
    staging,
    index,
    deltas,
    layerDeltas,
    report,
    signal,
    vouched,
    subpaths,
    earlier,
  };
  const facts = { commit: digestHex(descriptor.digest), ref, labels: config.labels, subpaths, name };
  const extra = completeExtra(imageFolder(installation, facts.commit), (digest, size) => staging.has(digest, size));
  const make = ({ root }: AddedLayers): MadeImage | undefined => {
    if (extra !== undefined) addExtra(root, manifest.layers.length, extra.entries);
    return makeImage(staging, manifest, facts, root);
  };
  let layers = await addWanted(context, manifest, config, "known");
  const isSure = layers.unchecked.size === 0 || isSubset;
  let made = await saving(layers, () => {
    if (isSure) return make(layers);
    if (voucher?.view === undefined) return treeDigest(layers.root) === voucher?.tree ? make(layers) : undefined;
    // with extra data what is shown is no longer what the manifest vouches for
    const plain = extra === undefined ? undefined : () => viewOf(layers.root, ref.kind, name);
    return makeVouched(voucher.view, plain, () => make(layers));
  });
  // what is here may not be what the index says, or the manifest lies: each layer must then be right by itself
  if (made === undefined) {
    layers = await addWanted({ ...context, vouched: false }, manifest, config, "complete");
    made = await saving(layers, () => make(layers));
  }
  if (made === undefined) throw new Error(`${name}: objects of layers that are complete are missing`);
  const records = new Map([...layers.unchecked, ...(extra?.record ?? [])]);
  const stored = writeImage(installation, made, { manifest: bytes, config: configBytes }, records);
  if (staging.broughtOnly(made.objects)) noteEnd(installation);
  return stored;
}

/**
 * The image of a tree that is right only if the manifest vouches for what it shows; undefined where it does not. What a tree
 * that is not right is refused for does not matter. `plain` is the view to compare, where it is not that of the image.
 */
function makeVouched(
  voucher: string,
  plain: (() => ImageView) | undefined,
  make: () => MadeImage | undefined,
): MadeImage | undefined {
  try {
    if (plain !== undefined) return viewDigest(plain()) === voucher ? make() : undefined;
    const made = make();
    return made !== undefined && viewDigest(made.image.view, made.image.imageDigest) === voucher ? made : undefined;
  } catch (error) {
    if (isDowelError(error)) return undefined;
    throw error;
  }
}

/** Works out the image that layers make; undefined where objects of it are missing. */
function makeImage(
  staging: ObjectStaging,
  manifest: ImageManifest,
  { name, ...facts }: Pick<StoredImage, "commit" | "ref" | "labels" | "subpaths"> & { readonly name: string },
  root: FolderNode,
): MadeImage | undefined {
  const view = subsetOf(viewOf(root, facts.ref.kind, name), facts.subpaths);
  const objects = objectSizes(view);
  for (const [digest, size] of objects) if (!staging.has(digest, size)) return undefined;
  const file = view.metadata === undefined ? undefined : metadataFile(staging, view.metadata, name);
  const metadata = metadataOf(facts.labels, file, facts.ref, name);
  const downloadSize = manifest.layers.reduce((sum, { size }) => sum + size, 0);
  return imageOf({ ...facts, metadata, view, downloadSize }, staging.newObjects, objects);
}

/** Does some work while the device writes what came; both are over when this returns. */
async function saving<T>(layers: AddedLayers, work: () => T): Promise<T> {
  try {
    return work();
  } finally {
    await layers.save();
  }
}

function checkLayers(manifest: ImageManifest, config: ImageConfig, name: string): void {
  const layers = manifest.layers.length;
  const diffIds = config.diffIds.length;
  if (layers === diffIds && layers > 0) return;
  throw new DowelError(
    "OCI_MANIFEST_INVALID",
    `${name}: ${layers} layers but ${diffIds} diff_ids; both must be the same number, from 1`,
  );
}

interface AddedLayers {
  readonly root: FolderNode;
  /** Records, by their names, of layers of which nothing is sure but what the whole tree is, or of which only a part came. */
  readonly unchecked: ReadonlyMap<string, string>;
  /** Makes durable what came. To be called before anything refers to it. */
  readonly save: () => Promise<void>;
}

/**
 * As `addLayers`; where the folders that are wanted do not make a tree by themselves, because a hard link in them is to a
 * file of another layer, all of the layers.
 */
async function addWanted(
  context: LayerContext,
  manifest: ImageManifest,
  config: ImageConfig,
  reuse: "known" | "complete",
): Promise<AddedLayers> {
  try {
    return await addLayers(context, manifest, config, reuse);
  } catch (error) {
    if (context.subpaths.length === 0 || !isDowelError(error, "TAR_UNSAFE")) throw error;
    return await addLayers({ ...context, subpaths: [] }, manifest, config, reuse);
  }
}

/**
 * Puts the layers of an image over each other. Layers that came before are not fetched: those that are `known`, though
 * objects of theirs that no image showed may be collected since, or only those that are `complete`.
 */
async function addLayers(
  context: LayerContext,
  manifest: ImageManifest,
  config: ImageConfig,
  reuse: "known" | "complete",
): Promise<AddedLayers> {
  const stack = new LayerStack();
  const { installation, staging, report } = context;
  const unsaved: (() => void)[] = [];
  const unchecked = new Map<string, string>();
  const save = async (): Promise<void> => {
    await staging.commit();
    context.index?.save();
    for (const saveOne of unsaved.splice(0)) saveOne();
  };
  try {
    for (const [at, layer] of manifest.layers.entries()) {
      const diffId = config.diffIds[at];
      if (diffId === undefined) continue;
      if (addKnownLayer(context, stack, diffId, reuse)) {
        report({ type: "fetch.done", name: layer.digest, size: layer.size, reused: true });
        continue;
      }
      const { lines, isChecked } = await fetchLayer(context, stack, layer, diffId);
      if (isChecked) unsaved.push(() => saveRecord(installation, diffId, lines));
      else unchecked.set(ownRecordName(diffId), encodeRecord(lines));
      if (staging.stagedBytes > commitBytes && at + 1 < manifest.layers.length) await save();
    }
    return { root: stack.root, unchecked, save };
  } catch (error) {
    // Layers that are complete need not come again; where even that fails, the first error is the one to show.
    if (unsaved.length > 0) await save().catch(() => undefined);
    throw error;
  }
}

/** The content of the file `metadata`, which has been staged or stored. */
function metadataFile(staging: ObjectStaging, file: FileNode, name: string): Uint8Array {
  const { inline, size, digest } = file.content;
  if (size > limits.keyfileBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `${name}: its metadata is larger than ${limits.keyfileBytes} bytes`);
  }
  if (inline !== undefined) return inline;
  return size === 0 ? new Uint8Array(0) : readFileSync(staging.pathOf(digest));
}
