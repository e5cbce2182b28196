// SPDX-License-Identifier: Apache-2.0
import { limits } from "./limits.ts";

/**
 * Splits a relative path from foreign input into its names. `.` and empty parts are dropped (`./a//b/` is `a/b`).
 * Returns undefined for an absolute path, for `..`, NUL, and for names or paths past the limits.
 */
export function splitRelativePath(path: string): string[] | undefined {
  if (path.startsWith("/") || path.includes("\0") || Buffer.byteLength(path) > limits.pathBytes) return undefined;
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length > limits.pathDepth) return undefined;
  return names.every((name) => name !== ".." && Buffer.byteLength(name) <= limits.nameBytes) ? names : undefined;
}
