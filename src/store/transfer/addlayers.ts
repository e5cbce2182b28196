// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import { LayerStack } from "../image/layers.ts";
import { ownRecordName, parseRecord, saveRecord } from "../image/record.ts";
import type { FolderNode } from "../image/tree.ts";
import { commitBytes, type LayerContext } from "./context.ts";
import type { EditedLayer } from "./edited.ts";
import { addKnownLayer, fetchLayer } from "./layer.ts";
import type { WantedImage } from "./wanted.ts";

export interface AddedLayers {
  /** The tree that the layers make; made when it is asked for first. Throws as `LayerStack`. */
  readonly root: () => FolderNode;
  /** Set where the only layer was made of the one before. */
  readonly edited: EditedLayer | undefined;
  /** Records, by their names, of layers of which nothing is sure but what the whole tree is, or of which only a part came. */
  readonly unchecked: ReadonlyMap<string, string | Uint8Array>;
  /** Makes durable what came. To be called before anything refers to it. */
  readonly save: () => Promise<void>;
}

/**
 * As `addLayers`; where the folders that are wanted do not make a tree by themselves, because a hard link in them is to a
 * file of another layer, all of the layers.
 */
export async function addWanted(
  context: LayerContext,
  image: WantedImage,
  reuse: "known" | "complete",
): Promise<AddedLayers> {
  try {
    return await addLayers(context, image, reuse);
  } catch (error) {
    if (context.subpaths.length === 0 || !isDowelError(error, "TAR_UNSAFE")) throw error;
    return await addLayers({ ...context, subpaths: [] }, image, reuse);
  }
}

/**
 * Puts the layers of an image over each other. Layers that came before are not fetched: those that are `known`, though
 * objects of theirs that no image showed may be collected since, or only those that are `complete`.
 */
async function addLayers(
  context: LayerContext,
  { manifest, config }: WantedImage,
  reuse: "known" | "complete",
): Promise<AddedLayers> {
  const stack = new LayerStack();
  const { installation, staging, report } = context;
  const unsaved: (() => void)[] = [];
  const unchecked = new Map<string, string | Uint8Array>();
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
      const { record, isChecked, edited } = await fetchLayer(context, stack, layer, diffId);
      if (isChecked) unsaved.push(() => saveRecord(installation, diffId, record));
      else unchecked.set(ownRecordName(diffId), record);
      if (edited !== undefined && manifest.layers.length === 1)
        return { ...lazily(stack, edited, diffId), unchecked, save };
      if (edited !== undefined) addEdited(stack, edited, diffId);
      if (staging.stagedBytes > commitBytes && at + 1 < manifest.layers.length) await save();
    }
    return { root: () => stack.root, edited: undefined, unchecked, save };
  } catch (error) {
    // Layers that are complete need not come again; where even that fails, the first error is the one to show.
    if (unsaved.length > 0) await save().catch(() => undefined);
    throw error;
  }
}

function addEdited(stack: LayerStack, { record }: EditedLayer, diffId: Digest): void {
  stack.beginLayer();
  for (const entry of parseRecord(record.bytes, `record of ${diffId}`)) stack.add(entry);
}

/** What the entries make is seldom asked for. */
function lazily(stack: LayerStack, edited: EditedLayer, diffId: Digest): Pick<AddedLayers, "root" | "edited"> {
  let isAdded = false;
  const root = (): FolderNode => {
    if (!isAdded) addEdited(stack, edited, diffId);
    isAdded = true;
    return stack.root;
  };
  return { root, edited };
}
