// SPDX-License-Identifier: Apache-2.0
import { constants } from "node:fs";
import { relative } from "node:path";
import { Descriptor, O_PATH } from "../sys/beneath.ts";
import type { Installation } from "./installation.ts";

const folderOnly = O_PATH | constants.O_DIRECTORY;

/** A folder of an installation, opened beneath it and through no link. Throws as `openBeneath`. */
export function openWithin({ path: top }: Pick<Installation, "path">, path: string): Descriptor {
  using root = Descriptor.open(top, folderOnly);
  return Descriptor.beneath(root, relative(top, path) || ".", folderOnly);
}
