// SPDX-License-Identifier: Apache-2.0
import { limits } from "./limits.ts";

/**
 * Splits a relative path from foreign input into its names. `.` and empty parts are dropped (`./a//b/` is `a/b`).
 * Returns undefined for an absolute path, for `..`, NUL, and for names or paths past the limits.
 */
export function splitRelativePath(path: string): string[] | undefined {
  if (path.startsWith("/") || path.includes("\0") || !isWithin(path, limits.pathBytes)) return undefined;
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length > limits.pathDepth) return undefined;
  return names.every((name) => name !== ".." && isWithin(name, limits.nameBytes)) ? names : undefined;
}

/** Whether the UTF-8 form of a text has at most so many bytes: a character of the text makes three of them at most. */
function isWithin(text: string, bytes: number): boolean {
  return 3 * text.length <= bytes || Buffer.byteLength(text) <= bytes;
}
