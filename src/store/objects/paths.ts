// SPDX-License-Identifier: Apache-2.0
import { statSync } from "node:fs";
import type { Installation } from "../installation.ts";

/** Path of an object below `objects/`: `ab/cdef…` for the digest `abcdef…`. */
export function objectName(digest: string): string {
  return `${digest.slice(0, 2)}/${digest.slice(2)}`;
}

export function objectPath(installation: Pick<Installation, "objects">, digest: string): string {
  return `${installation.objects}/${objectName(digest)}`;
}

/**
 * Whether the object is there, and as large as it should be where that is known. Objects get their name only when their
 * content is on the disk, so this is enough, but for damage that leaves the size as it is.
 */
export function hasObject(installation: Pick<Installation, "objects">, digest: string, size?: number): boolean {
  const status = statSync(objectPath(installation, digest), { throwIfNoEntry: false });
  return status?.isFile() === true && (size === undefined || status.size === size);
}
