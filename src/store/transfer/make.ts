// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { addExtra, completeExtra } from "../image/extra.ts";
import { imageFolder, imageOf, type MadeImage, objectSizes } from "../image/stored.ts";
import { subsetOf } from "../image/subset.ts";
import type { FolderNode } from "../image/tree.ts";
import { viewOf } from "../image/view.ts";
import { treeDigest, viewDigest } from "../image/voucher.ts";
import type { ObjectStaging } from "../objects/staging.ts";
import { type AddedLayers, addWanted } from "./addlayers.ts";
import type { LayerContext } from "./context.ts";
import { makeFromEarlier } from "./fromearlier.ts";
import { metadataFor } from "./metadata.ts";
import type { WantedImage } from "./wanted.ts";

/** An image whose contents are durable, and that is yet to be written. */
export interface BroughtImage {
  readonly made: MadeImage;
  /** Records that are this image's own, by their names. */
  readonly records: ReadonlyMap<string, string | Uint8Array>;
}

/** Brings the layers of an image and works out what they show; all that it needs is in the store then. */
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
    const isSure = !how.vouched || layers.unchecked.size === 0;
    const made = await saving(layers, () => {
      if (isSure) return make(layers);
      const quick = extra === undefined && layers.edited && makeFromEarlier(how, image, layers.edited);
      return quick || makeVouched(image, layers, extra !== undefined, () => make(layers));
    });
    return (
      made && { made, records: new Map<string, string | Uint8Array>([...layers.unchecked, ...(extra?.record ?? [])]) }
    );
  };
  // what is here may not be what the index says, or the manifest lies: each layer must then be right by itself
  const brought = (await attempt(context, "known")) ?? (await attempt({ ...context, vouched: false }, "complete"));
  if (brought === undefined) throw new Error(`${image.name}: objects of layers that are complete are missing`);
  return brought;
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
  const { name, commit, ref, manifest, config } = image;
  const view = subsetOf(viewOf(root, ref.kind, name), subpaths);
  const objects = objectSizes(view);
  for (const [digest, size] of objects) if (!staging.has(digest, size)) return undefined;
  const metadata = metadataFor(staging, image, view);
  const downloadSize = manifest.layers.reduce((sum, { size }) => sum + size, 0);
  return imageOf(
    { commit, ref, labels: config.labels, subpaths, metadata, view, downloadSize },
    staging.newObjects,
    objects,
  );
}

/** Does some work while the device writes what came; both are over when this returns. */
async function saving<T>(layers: AddedLayers, work: () => T): Promise<T> {
  try {
    return work();
  } finally {
    await layers.save();
  }
}
