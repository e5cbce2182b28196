// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import type { Ref } from "./ref.ts";

export type RefPattern = (ref: Ref) => boolean;

/**
 * Reads `[app/|runtime/]ID[/ARCH[/BRANCH]]` with `*` for any characters but `/`; parts that are missing fit anything
 * (flatpak-mask(1), flatpak-pin(1)). Throws `REF_INVALID`, `where` before the message.
 */
export function compilePattern(text: string, where = "pattern"): RefPattern {
  const parts = text.split("/");
  const kind = parts[0] === "app" || parts[0] === "runtime" ? parts.shift() : undefined;
  if (parts.length < 1 || parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.*-]{0,255}$/.test(part))) {
    throw new DowelError("REF_INVALID", `${where}: ${JSON.stringify(text)} must be [KIND/]ID[/ARCH[/BRANCH]] with *`);
  }
  const [id = "", arch = "", branch = ""] = parts;
  return (ref) =>
    (kind === undefined || kind === ref.kind) && fits(id, ref.id) && fits(arch, ref.arch) && fits(branch, ref.branch);
}

/** Whether a text fits a pattern; nothing fits anything. Never looks back further than to the last `*`. */
function fits(pattern: string, text: string): boolean {
  if (pattern === "") return true;
  let [at, star, resume] = [0, -1, 0];
  for (let next = 0; next < text.length; ) {
    if (pattern[at] === "*") {
      star = at++;
      resume = next;
    } else if (pattern[at] === text[next]) {
      at++;
      next++;
    } else if (star >= 0) {
      at = star + 1;
      next = ++resume;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(at));
}

/** Fits what any of the patterns fits; those that are malformed fit nothing. */
export function anyPattern(texts: readonly string[]): RefPattern {
  const patterns = texts.flatMap((text) => {
    try {
      return [compilePattern(text)];
    } catch (error) {
      if (isDowelError(error)) return [];
      throw error;
    }
  });
  return (ref) => patterns.some((fits) => fits(ref));
}
