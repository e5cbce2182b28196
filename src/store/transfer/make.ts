// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { addExtra, completeExtra } from "../image/extra.ts";
import {
  type ImageFacts,
  imageFolder,
  imageOf,
  type MadeImage,
  objectSizes,
  type StoredImage,
} from "../image/stored.ts";
import { subsetOf } from "../image/subset.ts";
import type { FolderNode } from "../image/tree.ts";
import { type ImageView, viewOf } from "../image/view.ts";
import { treeDigest, viewDigest } from "../image/voucher.ts";
import { type StagedImage, stageImage } from "../image/write.ts";
import type { ObjectList } from "../objects/list.ts";
import type { ObjectStaging } from "../objects/staging.ts";
import { type AddedLayers, addWanted } from "./addlayers.ts";
import type { LayerContext } from "./context.ts";
import { makeFromEarlier } from "./fromearlier.ts";
import { metadataFor } from "./metadata.ts";
import type { WantedImage } from "./wanted.ts";

/** An image that is in the store, with all that it needs. */
export interface BroughtImage {
  readonly stored: StoredImage;
  readonly objects: ObjectList;
}

type Make = () => MadeImage | undefined | Promise<MadeImage | undefined>;

/** Brings the layers of an image, works out what they show, and stores it. */
export async function bringImage(context: LayerContext, image: WantedImage): Promise<BroughtImage> {
  const { installation, staging } = context;
  const folder = imageFolder(installation, image.commit);
  const extra = completeExtra(folder, (digest, size) => staging.has(digest, size));
  const make = ({ root }: AddedLayers): MadeImage | undefined => {
    if (extra !== undefined) addExtra(root(), image.manifest.layers.length, extra.entries);
    return makeImage(staging, image, context.subpaths, root());
  };
  const attempt = async (how: LayerContext, reuse: "known" | "complete"): Promise<BroughtImage | undefined> => {
    const layers = await addWanted(how, image, reuse);
    const records = new Map<string, string | Uint8Array>([...layers.unchecked, ...(extra?.record ?? [])]);
    return await store(context, image, { layers, records }, async () => {
      if (!how.vouched || layers.unchecked.size === 0) return make(layers);
      const quick = extra === undefined ? await makeQuickly(staging, image, layers) : undefined;
      if (quick !== undefined) return quick;
      await staging.settle();
      return makeVouched(image, layers, extra !== undefined, () => make(layers));
    });
  };
  // what is here may not be what the index says, or the manifest lies: each layer must then be right by itself
  const brought = (await attempt(context, "known")) ?? (await attempt({ ...context, vouched: false }, "complete"));
  if (brought === undefined) throw new Error(`${image.name}: objects of layers that are complete are missing`);
  return brought;
}

/** Makes an image beside the threads that store what came, and stores it; what came is kept whatever becomes of it. */
async function store(
  { installation }: LayerContext,
  { documents }: WantedImage,
  { layers, records }: { readonly layers: AddedLayers; readonly records: ReadonlyMap<string, string | Uint8Array> },
  make: Make,
): Promise<BroughtImage | undefined> {
  let made: MadeImage | undefined;
  let staged: StagedImage | undefined;
  try {
    try {
      made = await make();
      staged = made && stageImage(installation, made, documents, records);
    } finally {
      // its sync is also the image's
      await layers.save();
    }
    return made && staged && { stored: staged.publish(), objects: made.objects };
  } finally {
    staged?.[Symbol.dispose]();
  }
}

/** The image that an edited layer makes of that of the version before; undefined where that is not what is vouched for. */
async function makeQuickly(
  staging: ObjectStaging,
  image: WantedImage,
  { edited }: AddedLayers,
): Promise<MadeImage | undefined> {
  if (edited?.before === undefined) return undefined;
  const made = makeFromEarlier(image, edited.before, edited.record);
  if (made === undefined) return undefined;
  const { view, composefs, digest: imageDigest, objects, files, installedSize } = made;
  // what has just come may still be on its way to a file
  if (view.metadata !== undefined && !staging.isStored(view.metadata.content.digest)) await staging.settle();
  const facts = factsOf(staging, image, view, []);
  const found = { imageDigest, files, installedSize, newObjects: staging.newObjects, isWhole: true };
  return { image: { ...facts, ...found }, composefs, objects };
}

/**
 * The image of layers that are right only if the manifest vouches for what they show; undefined where it does not. What a
 * tree that is not right is refused for does not matter. With extra data what is shown is no longer what the manifest
 * vouches for, so that the view without them is compared.
 */
function makeVouched(
  { voucher, ref, name }: WantedImage,
  { root }: AddedLayers,
  hasExtra: boolean,
  make: () => MadeImage | undefined,
): MadeImage | undefined {
  if (voucher?.view === undefined) return treeDigest(root()) === voucher?.tree ? make() : undefined;
  try {
    if (hasExtra) return viewDigest(viewOf(root(), ref.kind, name)) === voucher.view ? make() : undefined;
    const made = make();
    return made !== undefined && digestOf(made) === voucher.view ? made : undefined;
  } catch (error) {
    if (isDowelError(error)) return undefined;
    throw error;
  }
}

const digestOf = ({ image }: MadeImage): string => viewDigest(image.view, image.imageDigest);

/** Works out the image that layers make; undefined where objects of it are missing. */
function makeImage(
  staging: ObjectStaging,
  image: WantedImage,
  subpaths: readonly string[],
  root: FolderNode,
): MadeImage | undefined {
  const view = subsetOf(viewOf(root, image.ref.kind, image.name), subpaths);
  const objects = objectSizes(view);
  for (const [digest, size] of objects) if (!staging.has(digest, size)) return undefined;
  return imageOf(factsOf(staging, image, view, subpaths), staging.newObjects, objects);
}

function factsOf(staging: ObjectStaging, image: WantedImage, view: ImageView, subpaths: readonly string[]): ImageFacts {
  const { commit, ref, config, manifest } = image;
  const metadata = metadataFor(staging, image, view);
  const downloadSize = manifest.layers.reduce((sum, { size }) => sum + size, 0);
  return { commit, ref, labels: config.labels, subpaths, metadata, view, downloadSize };
}
