// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { metadataOf } from "../image/identity.ts";
import type { FileNode } from "../image/tree.ts";
import type { ImageView } from "../image/view.ts";
import type { ObjectStaging } from "../objects/staging.ts";
import type { WantedImage } from "./wanted.ts";

/** The metadata text of an image whose contents have been staged or stored. Throws as `metadataOf`, and `LIMIT_EXCEEDED`. */
export function metadataFor(
  staging: ObjectStaging,
  { name, ref, config: { labels } }: WantedImage,
  { metadata }: Pick<ImageView, "metadata">,
): string {
  return metadataOf(labels, metadata && contentOf(staging, metadata, name), ref, name);
}

function contentOf(staging: ObjectStaging, file: FileNode, name: string): Uint8Array {
  const { inline, size, digest } = file.content;
  if (size > limits.keyfileBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `${name}: its metadata is larger than ${limits.keyfileBytes} bytes`);
  }
  if (inline !== undefined) return inline;
  return size === 0 ? new Uint8Array(0) : readPlainFile(staging.pathOf(digest));
}
