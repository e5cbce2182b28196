// SPDX-License-Identifier: Apache-2.0
import { fsVerityDigest } from "../../formats/fsverity/digest.ts";
import { composefsOf } from "./composefs.ts";
import { type FolderNode, newFolder } from "./tree.ts";
import type { ImageView } from "./view.ts";

/**
 * The annotation by which a manifest says what installations make of its layers: two fs-verity digests (hex) with a space
 * between them, each of a composefs image, version 1. The first is that of what is shown, so that whoever has made that
 * image needs no other to compare; the second of what is used besides, see `viewDigest`. Not one of composefs' own names,
 * whose trees keep owners, modes and xattrs.
 */
export const viewAnnotation = "org.dowel.view.erofs.v1.fsverity-sha256-12";

/** As `viewAnnotation`, with one digest: that of all layers' canonical tree. Images of earlier versions have it. */
export const treeAnnotation = "org.dowel.tree.erofs.v1.fsverity-sha256-12";

/** What a manifest says of what its layers make; undefined for what it does not say, or cannot be true. */
export interface Voucher {
  readonly view: string | undefined;
  readonly tree: string | undefined;
}

/** Undefined where the manifest says nothing. */
export function voucherOf(annotations: ReadonlyMap<string, string>): Voucher | undefined {
  const [view, tree] = [annotations.get(viewAnnotation) ?? "", annotations.get(treeAnnotation) ?? ""];
  const voucher = {
    view: /^[0-9a-f]{64} [0-9a-f]{64}$/.test(view) ? view : undefined,
    tree: /^[0-9a-f]{64}$/.test(tree) ? tree : undefined,
  };
  return voucher.view === undefined && voucher.tree === undefined ? undefined : voucher;
}

/** The digest that `treeAnnotation` has for a tree. */
export function treeDigest(root: FolderNode): string {
  return Buffer.from(fsVerityDigest(composefsOf(root))).toString("hex");
}

/**
 * What `viewAnnotation` says of a view; `shown` is the digest of the image of `view.root`, where that is known. What
 * exports and the metadata come from lies within what is shown in the layout `rootfs`; in `flatpak` it makes a tree of its
 * own, of `metadata` and, where anything is exported, `export`.
 */
export function viewDigest(view: ImageView, shown?: string): string {
  const beside = newFolder(0, 0);
  const { layout, metadata, exported } = view;
  if (layout === "flatpak") {
    if (metadata !== undefined) beside.children.set("metadata", metadata);
    if (exported !== undefined) beside.children.set("export", exported);
  }
  // the tree may be one that is made only when it is asked for
  return `${shown ?? treeDigest(view.root)} ${treeDigest(beside)}`;
}
