// SPDX-License-Identifier: Apache-2.0
import { existsSync, statSync } from "node:fs";
import type { Installation } from "../installation.ts";

/** Path of an object below `objects/`: `ab/cdef…` for the digest `abcdef…`. */
export function objectName(digest: string): string {
  return `${digest.slice(0, 2)}/${digest.slice(2)}`;
}

export function objectPath(installation: Pick<Installation, "objects">, digest: string): string {
  return `${installation.objects}/${objectName(digest)}`;
}

/** Bytes of an object; undefined where there is none, which is said sooner. */
export function objectSize(installation: Pick<Installation, "objects">, digest: string): number | undefined {
  const path = objectPath(installation, digest);
  if (!existsSync(path)) return undefined;
  const status = statSync(path, { throwIfNoEntry: false });
  return status?.isFile() === true ? status.size : undefined;
}

/**
 * Whether the object is there, and as large as it should be where that is known. Objects get their name only when their
 * content is on the disk, so this is enough, but for damage that leaves the size as it is.
 */
export function hasObject(installation: Pick<Installation, "objects">, digest: string, size?: number): boolean {
  const found = objectSize(installation, digest);
  return found !== undefined && (size === undefined || found === size);
}
