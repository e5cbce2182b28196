// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { layOutPlain, type PlainLayout } from "../../formats/composefs/plain-layout.ts";
import { type PlainTable, plainKinds } from "../../formats/composefs/plain-table.ts";
import { writePlain } from "../../formats/composefs/plain-write.ts";
import { fsVerityDigest } from "../../formats/fsverity/digest.ts";
import type { Ref } from "../../metadata/ref.ts";
import { ObjectLines, type ObjectList } from "../objects/list.ts";
import { LayerStack } from "./layers.ts";
import { parseRecord } from "./record.ts";
import type { EditedRecord } from "./recordedit.ts";
import { type FileNode, type FolderNode, filesOf } from "./tree.ts";
import { type ImageView, viewOf } from "./view.ts";
import { editView } from "./viewedit.ts";

/** An image that was made of that of the version before, without a look at what both have. */
export interface EditedImage {
  readonly view: ImageView;
  readonly composefs: Uint8Array;
  /** Its fs-verity digest, hex. */
  readonly digest: string;
  readonly objects: ObjectList;
  readonly files: number;
  readonly installedSize: number;
}

/**
 * Makes the image of what an edited record brings of the image before it, whose memory goes on in the new one. What it throws
 * and when it is undefined is that of `editView`; besides, where an image should be larger than one may be.
 */
export function editImage(
  before: PlainTable,
  record: EditedRecord,
  { ref, name }: { readonly ref: Ref; readonly name: string },
): EditedImage | undefined {
  const edited = editView(before, record, ref.kind, name);
  if (edited === undefined || edited.table.count > limits.imageEntries) return undefined;
  const layout = layOutPlain(edited.table);
  const { kinds, sizes, count } = layout.table;
  let files = 0;
  let installedSize = 0;
  for (let at = 0; at < count; at++) {
    if (kinds[at] !== plainKinds.file && kinds[at] !== plainKinds.inline) continue;
    files += 1;
    installedSize += sizes[at] ?? 0;
  }
  if (installedSize > limits.unpackedImageBytes) return undefined;
  const composefs = writePlain(layout);
  const digest = Buffer.from(fsVerityDigest(composefs)).toString("hex");
  const view = withTree(edited.beside, () => viewOf(treeOf(record.bytes, name), ref.kind, name).root);
  return { view, composefs, digest, objects: objectsOf(layout, edited.beside), files, installedSize };
}

/** Most who have a view do not ask for the whole tree, which costs much. */
function withTree(view: ImageView, make: () => FolderNode): ImageView {
  let root: FolderNode | undefined;
  return {
    ...view,
    get root(): FolderNode {
      root ??= make();
      return root;
    },
  };
}

function treeOf(record: Uint8Array, name: string): FolderNode {
  const stack = new LayerStack();
  stack.beginLayer();
  for (const entry of parseRecord(record, name)) stack.add(entry);
  return stack.root;
}

/** Those of what is shown, and of what is used besides. */
function objectsOf(layout: PlainLayout, { metadata, exported }: ImageView): ObjectList {
  const besides = new Map<string, number>();
  const add = ({ content: { size, digest, inline } }: FileNode): void => {
    if (size > 0 && inline === undefined && layout.find(digest) === undefined) besides.set(digest, size);
  };
  if (metadata !== undefined) add(metadata);
  if (exported !== undefined) for (const file of filesOf(exported)) add(file);
  return {
    has: (digest) => besides.has(digest) || layout.find(digest) !== undefined,
    encode: () => linesOf(layout, besides),
  };
}

function linesOf({ table, shared, owners }: PlainLayout, besides: ReadonlyMap<string, number>): Uint8Array {
  const { kinds, sizes, count } = table;
  const lines = new ObjectLines(count + besides.size);
  let inode = 0;
  const writeDigest = (bytes: Buffer, at: number): void => table.writeDigest(inode, bytes, at);
  for (; inode < count; inode++) {
    if (kinds[inode] !== plainKinds.file) continue;
    const number = shared[inode] ?? -1;
    if (number < 0 || owners[number] === inode) lines.add(sizes[inode] ?? 0, writeDigest);
  }
  for (const [digest, size] of besides) lines.add(size, (bytes, at) => bytes.write(digest, at, "latin1"));
  return lines.bytes;
}
