// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { formatRef, type Ref } from "./ref.ts";

export type RefPattern = (ref: Ref) => boolean;

/**
 * Reads `[app/|runtime/]ID[/ARCH[/BRANCH]]` with `*` for any characters but `/`; parts that are missing fit anything
 * (flatpak-mask(1), flatpak-pin(1)). Throws `REF_INVALID`, `where` before the message.
 */
export function compilePattern(text: string, where = "pattern"): RefPattern {
  const parts = text.split("/");
  const kind = parts[0] === "app" || parts[0] === "runtime" ? parts.shift() : undefined;
  if (parts.length < 1 || parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.*-]*$/.test(part))) {
    throw new DowelError("REF_INVALID", `${where}: ${JSON.stringify(text)} must be [KIND/]ID[/ARCH[/BRANCH]] with *`);
  }
  const patterns = [0, 1, 2].map((at) => {
    const part = parts[at] ?? "";
    return part === "" ? "[^/]*" : part.replace(/[.]/g, "\\.").replace(/\*+/g, "[^/]*");
  });
  const expression = new RegExp(`^${kind ?? "(?:app|runtime)"}/${patterns.join("/")}$`);
  return (ref) => expression.test(formatRef(ref));
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
