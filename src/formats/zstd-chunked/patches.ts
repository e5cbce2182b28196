// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { applyFilePatch, type FilePatch } from "./file-delta.ts";

/** Patches of one version or of several that follow each other. */
export class Patches {
  readonly #held: (digest: string) => Uint8Array | undefined;
  readonly #versions: number;
  readonly #patches = new Map<string, FilePatch>();
  /** Bytes, unpacked, of all that was asked for: small patches could make very much of them. */
  #made = 0;

  /** `held` gives contents that are here, each of which is used before the next is asked for; a content is made by as many patches as there are versions, at most. */
  constructor(held: (digest: string) => Uint8Array | undefined, versions: number) {
    this.#held = held;
    this.#versions = versions;
  }

  add(patches: readonly FilePatch[]): void {
    for (const patch of patches) this.#patches.set(patch.digest, patch);
  }

  /**
   * The content with a digest; undefined where the patches do not lead to it from what is here, or together promise more
   * than `limits.patchedLayerBytes`. Throws as `applyFilePatch`.
   */
  make(digest: string): Uint8Array | undefined {
    return this.#make(digest, this.#versions);
  }

  #make(digest: string, versions: number): Uint8Array | undefined {
    const patch = this.#patches.get(digest);
    if (patch === undefined || versions === 0) return undefined;
    this.#made += patch.size;
    if (this.#made > limits.patchedLayerBytes) return undefined;
    const from = this.#held(patch.from) ?? this.#make(patch.from, versions - 1);
    return from && applyFilePatch(patch, from);
  }
}
