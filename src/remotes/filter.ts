// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../base/errors.ts";
import { compilePattern, type RefPattern } from "../metadata/pattern.ts";

/**
 * Reads a filter file: lines `allow GLOB` and `deny GLOB`, comments with `#`. A ref passes if no `deny` fits it, or
 * an `allow` fits it (flatpak-remote-add(1), FILTER FILE).
 */
export function parseFilter(text: string, path: string): RefPattern {
  const allowed: RefPattern[] = [];
  const denied: RefPattern[] = [];
  text.split("\n").forEach((line, at) => {
    const [verb, glob, ...rest] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (verb === undefined || verb === "") return;
    const where = `${path}:${at + 1}`;
    const list = verb === "allow" ? allowed : verb === "deny" ? denied : undefined;
    if (list === undefined || glob === undefined || rest.length > 0) {
      throw new DowelError("REF_INVALID", `${where}: expected "allow GLOB" or "deny GLOB"`);
    }
    list.push(compilePattern(glob, where));
  });
  return (ref) => !denied.some((fits) => fits(ref)) || allowed.some((fits) => fits(ref));
}

/** Reads a filter file from the disk. */
export function readFilter(path: string): RefPattern {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fileError(error, "read the filter", path);
  }
  return parseFilter(text, path);
}
