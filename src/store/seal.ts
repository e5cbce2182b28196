// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { DowelError, fileError } from "../base/errors.ts";
import { syncFileSystem } from "../sys/durability.ts";
import { canHaveVerity, enableVerity, measureVerity } from "../sys/verity.ts";
import { imageFile } from "./image/stored.ts";
import type { Installation } from "./installation.ts";
import { namesIn } from "./names.ts";
import { everyObject, visitObjects } from "./objects/list.ts";
import { hasObject, objectPath } from "./objects/paths.ts";

/**
 * Turns fs-verity on for all objects of an image, then for `image.cfs` itself, where the file system has it; answers
 * whether it has. The digest that the kernel finds must be the name of the object. The image comes last and once all
 * before is durable, so an image with fs-verity has objects with it; copies of an installation have neither.
 * Throws `STORE_INVALID` for what is damaged.
 */
export function sealImage(installation: Installation, commit: string, imageDigest: string): boolean {
  const image = imageFile(installation, commit);
  if (!canSeal(image)) return false;
  if (!everyObject(installation, commit, (digest) => seal(objectPath(installation, digest), digest))) return false;
  syncFileSystem(image);
  return seal(image, imageDigest);
}

/** Asked of the image alone, which is quicker than to read what objects there are. */
function canSeal(image: string): boolean {
  try {
    return canHaveVerity(image);
  } catch (error) {
    throw fileError(error, "look at", image);
  }
}

function seal(path: string, digest: string): boolean {
  let found: string | undefined;
  try {
    found = enableVerity(path);
  } catch (error) {
    throw fileError(error, "turn on fs-verity for", path);
  }
  if (found === undefined || found === digest) return found !== undefined;
  throw new DowelError("STORE_INVALID", `${path}: fs-verity digest is ${found}, expected ${digest}`, {
    hint: "Run: dowel repair",
  });
}

/**
 * Checks that all objects of an image are there and as large as they should be: without fs-verity an overlay shows
 * what it finds, the beginning of a file or more than there should be. Throws `STORE_INVALID`.
 */
export function requireObjects(installation: Installation, commit: string): void {
  visitObjects(installation, commit, (digest, size) => {
    if (hasObject(installation, digest, size)) return;
    const path = objectPath(installation, digest);
    throw new DowelError("STORE_INVALID", `${path} must be a file of ${size} bytes`, { hint: "Run: dowel repair" });
  });
}

/** Whether the kernel itself holds an image to its digest, and so all its objects to theirs. */
export function isSealed(installation: Installation, commit: string, imageDigest: string): boolean {
  return measureVerity(imageFile(installation, commit)) === imageDigest;
}

/** Whether any image is sealed, so that the kernel wants fs-verity of all objects. */
export function hasSealedImages(installation: Installation): boolean {
  return namesIn(installation.images).some((commit) => {
    const image = imageFile(installation, commit);
    return existsSync(image) && measureVerity(image) !== undefined;
  });
}

/** Whether an object lacks fs-verity. */
export function isUnsealed(installation: Installation, digest: string): boolean {
  return measureVerity(objectPath(installation, digest)) === undefined;
}

/** Turns fs-verity on for one object. Throws `STORE_INVALID` where it is damaged. */
export function sealObject(installation: Installation, digest: string): void {
  seal(objectPath(installation, digest), digest);
}
