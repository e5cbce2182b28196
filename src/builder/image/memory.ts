// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fileError } from "../../base/errors.ts";
import { isDigest } from "../../oci/digest.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import type { StateFolder } from "../state.ts";

/** An image that a build made, as it is remembered. */
export interface RememberedImage {
  readonly ref: string;
  readonly digest: string;
  readonly comesAlong: boolean;
}

/** Remembers which image came of which inputs, as long as a layout still has it. */
export class ImageMemory {
  readonly #folder: string;
  readonly #layout: string;

  constructor(state: StateFolder, layout: string) {
    this.#folder = state.folder("cache", "images");
    this.#layout = layout;
  }

  /** The digest of the manifest that was made of these inputs; undefined where it is not in the layout any more. */
  find(key: string): string | undefined {
    const path = join(this.#folder, key);
    try {
      const digest = readFileSync(path, "utf8");
      return isDigest(digest) && this.#lists(digest) ? digest : undefined;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw fileError(error, "read", path);
    }
  }

  #lists(digest: string): boolean {
    const index = join(this.#layout, "index.json");
    const blob = join(this.#layout, "blobs", digest.replace(":", "/"));
    return existsSync(index) && existsSync(blob) && readFileSync(index, "utf8").includes(`"${digest}"`);
  }

  remember(key: string, digest: string): void {
    writeFileDurably(join(this.#folder, key), digest);
  }

  /** All images that one build made of these inputs; undefined where the layout lacks one of them. */
  findAll(key: string): readonly RememberedImage[] | undefined {
    const path = join(this.#folder, `${key}.json`);
    try {
      const images = JSON.parse(readFileSync(path, "utf8")) as readonly RememberedImage[];
      return images.every(({ digest }) => isDigest(digest) && this.#lists(digest)) ? images : undefined;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw fileError(error, "read", path);
    }
  }

  rememberAll(key: string, images: readonly RememberedImage[]): void {
    writeFileDurably(join(this.#folder, `${key}.json`), JSON.stringify(images));
  }
}
