// SPDX-License-Identifier: Apache-2.0
import { byteStringOf } from "../../formats/composefs/bytestring.ts";
import { editPlain, findPlain, PlainEdits } from "../../formats/composefs/plain-edit.ts";
import { type PlainNode, type PlainTable, plainKinds } from "../../formats/composefs/plain-table.ts";
import type { RefKind } from "../../metadata/ref.ts";
import { plainNodeOf } from "./composefs.ts";
import { type LayerEntry, LayerStack } from "./layers.ts";
import type { EditedRecord } from "./recordedit.ts";
import { newFolder } from "./tree.ts";
import { type ImageView, viewOf } from "./view.ts";

/** What an image of one layer shows, made of what the version before shows. */
export interface EditedView {
  /** Of the tree that is shown. */
  readonly table: PlainTable;
  /** All else, as `viewOf` has it, but its `root` is empty. */
  readonly beside: ImageView;
}

/**
 * What is shown after an edit of the only layer's record; `before` is what was shown, whose memory goes on in the answer.
 * Only of images in the layout `flatpak`, with nothing put over the layer. Undefined where this way does not lead there.
 * Throws as `LayerStack` and `viewOf`. Nothing here is sure: something else must vouch for the result.
 */
export function editView(before: PlainTable, edit: EditedRecord, kind: RefKind, name: string): EditedView | undefined {
  const places = new Places(kind);
  const edits = new PlainEdits();
  const stack = new LayerStack();
  stack.beginLayer();
  for (const entry of edit.removed) {
    if (hasWhiteout(entry)) return undefined;
    const place = places.of(entry.path);
    if (place !== undefined) edits.remove(place);
  }
  for (const { entry, isNew } of edit.steps) {
    if (hasWhiteout(entry)) return undefined;
    const place = places.of(entry.path);
    if (place === undefined) stack.add(entry);
    else if (entry.kind !== "hardlink") edits.put(place, plainNodeOf(entry));
    else if (!putLink(edits, before, place, places.of(entry.target), isNew)) return undefined;
  }
  stack.root.children.set("files", newFolder(0, 0));
  const beside = viewOf(stack.root, kind, name);
  const table = beside.layout === "flatpak" ? editPlain(before, edits) : undefined;
  return table && { table, beside };
}

/** Where entries of the layout `flatpak` are in the tree that is shown. */
class Places {
  readonly #top: string;

  constructor(kind: RefKind) {
    this.#top = kind === "app" ? "app" : "usr";
  }

  /** Undefined for what is not shown. */
  of(path: readonly string[]): readonly string[] | undefined {
    return path[0] === "files" ? [this.#top, ...path.slice(1).map(byteStringOf)] : undefined;
  }
}

function hasWhiteout({ path }: LayerEntry): boolean {
  return path.some((name) => name.startsWith(".wh."));
}

/** A second name of a file changes with it. False where nothing is known of the file. */
function putLink(
  edits: PlainEdits,
  before: PlainTable,
  place: readonly string[],
  target: readonly string[] | undefined,
  isNew: boolean,
): boolean {
  if (target === undefined) return false;
  const change = edits.find(target);
  const hasChanged = change !== undefined && (change.removed || change.put !== undefined);
  if (!isNew && !hasChanged) return true;
  const node = hasChanged ? change.put : nodeAt(before, target);
  if (node === undefined || node.kind === "folder") return false;
  if (!isNew) edits.remove(place);
  edits.put(place, node);
  return true;
}

function nodeAt(table: PlainTable, path: readonly string[]): PlainNode | undefined {
  const inode = findPlain(table, path);
  return inode === undefined || table.kinds[inode] === plainKinds.stub ? undefined : table.node(inode);
}
