// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync } from "node:fs";
import { DowelError, fileError } from "../base/errors.ts";
import { sideloadPlace } from "../engine/sideload.ts";

/**
 * Opens the folders of `--sideload-repo`, to hand them to the system service: it opens nothing by a path of its callers.
 * Throws `NOT_PERMITTED` for an archive.
 */
export function openMedia(paths: readonly string[]): Disposable & { readonly descriptors: readonly number[] } {
  const descriptors: number[] = [];
  const close = (): void => {
    for (const fd of descriptors.splice(0)) closeSync(fd);
  };
  try {
    for (const path of paths) descriptors.push(openFolder(path));
  } catch (error) {
    close();
    throw error;
  }
  return { descriptors, [Symbol.dispose]: close };
}

function openFolder(given: string): number {
  const place = sideloadPlace(given);
  if (place.kind !== "layout") {
    throw new DowelError("NOT_PERMITTED", `${given}: the system service takes images only from a folder`, {
      hint: "Unpack the archive and name its folder, or run it as root, or use --user.",
    });
  }
  try {
    return openSync(place.path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileError(error, "open", place.path);
  }
}
