// SPDX-License-Identifier: Apache-2.0
import { inlineThreshold } from "../../formats/composefs/model.ts";
import { FsVerityHasher, fsVerityDigest } from "../../formats/fsverity/digest.ts";
import type { TarInput } from "../../formats/tar/write.ts";
import { LayerStack } from "../../store/image/layers.ts";
import type { FileContent } from "../../store/image/tree.ts";
import { canonicalEntry } from "../../store/image/unpack.ts";
import { treeDigest } from "../../store/image/voucher.ts";

/** Works out what tree a layer makes while it is written. */
export class MeasuredLayer {
  readonly #stack = new LayerStack();

  constructor() {
    this.#stack.beginLayer();
  }

  /** The same input; its body is measured when it is read, which must come before the next input. */
  watch(input: TarInput): TarInput {
    const { entry, body } = input;
    const add = (digest: Uint8Array, inline?: Uint8Array): void => {
      const content: FileContent = { size: entry.size, digest: Buffer.from(digest).toString("hex"), inline };
      this.#stack.add(canonicalEntry(entry, content));
    };
    if (body === undefined || body instanceof Uint8Array) {
      const bytes = body ?? new Uint8Array(0);
      const isSmall = bytes.length > 0 && bytes.length <= inlineThreshold;
      add(fsVerityDigest(bytes), isSmall ? new Uint8Array(bytes) : undefined);
      return input;
    }
    async function* measured(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      const hasher = new FsVerityHasher();
      for await (const chunk of chunks) {
        hasher.update(chunk);
        yield chunk;
      }
      add(hasher.digest());
    }
    return { entry, body: measured(body) };
  }

  /** The digest of the tree, when all has been read. */
  digest(): string {
    return treeDigest(this.#stack.root);
  }
}
