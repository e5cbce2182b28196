// SPDX-License-Identifier: Apache-2.0
import { inlineThreshold } from "../../formats/composefs/model.ts";
import { fsVerityDigest } from "../../formats/fsverity/digest.ts";
import type { TarEntry } from "../../formats/tar/entry.ts";
import type { TarInput } from "../../formats/tar/write.ts";
import { LayerStack } from "../../store/image/layers.ts";
import type { FolderNode } from "../../store/image/tree.ts";
import { canonicalEntry } from "../../store/image/unpack.ts";

const emptyDigest = Buffer.from(fsVerityDigest(new Uint8Array(0))).toString("hex");

/** Works out what tree a layer makes while it is written. */
export class MeasuredLayer {
  readonly #stack = new LayerStack();
  /** Contents that lie in an image itself, of entries that were not added yet. */
  readonly #inline = new Map<TarEntry, Uint8Array>();

  constructor() {
    this.#stack.beginLayer();
  }

  /** Looks at what is about to be written, and may be changed then. */
  watch({ entry, body }: TarInput): void {
    if (!(body instanceof Uint8Array) || body.length === 0 || body.length > inlineThreshold) return;
    this.#inline.set(entry, new Uint8Array(body));
  }

  /** Takes the next entry, with the fs-verity digest (hex) of its body; undefined where that is empty. */
  add(entry: TarEntry, verity: string | undefined): void {
    const inline = this.#inline.get(entry);
    if (inline !== undefined) this.#inline.delete(entry);
    this.#stack.add(canonicalEntry(entry, { size: entry.size, digest: verity ?? emptyDigest, inline }));
  }

  /** The tree, when all has been added. */
  get tree(): FolderNode {
    return this.#stack.root;
  }
}
