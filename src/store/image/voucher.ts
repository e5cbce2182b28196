// SPDX-License-Identifier: Apache-2.0
import { fsVerityDigest } from "../../formats/fsverity/digest.ts";
import { composefsOf } from "./composefs.ts";
import type { FolderNode } from "./tree.ts";

/**
 * The annotation by which a manifest says what its layers make together: the fs-verity digest (hex) of the composefs
 * image, version 1, of their canonical tree. Not one of composefs' own names, whose trees keep owners, modes and xattrs.
 */
export const treeAnnotation = "org.dowel.tree.erofs.v1.fsverity-sha256-12";

/** What a manifest says of its tree; undefined where it says nothing that can be true. */
export function voucherOf(annotations: ReadonlyMap<string, string>): string | undefined {
  const digest = annotations.get(treeAnnotation);
  return digest !== undefined && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined;
}

/** The digest that `treeAnnotation` has for a tree. */
export function treeDigest(root: FolderNode): string {
  return Buffer.from(fsVerityDigest(composefsOf(root))).toString("hex");
}
