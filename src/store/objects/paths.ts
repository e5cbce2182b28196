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

/** Whether the object is there. Objects get their name only when their content is on the disk, so this is enough. */
export function hasObject(installation: Pick<Installation, "objects">, digest: string): boolean {
  return statSync(objectPath(installation, digest), { throwIfNoEntry: false })?.isFile() === true;
}
