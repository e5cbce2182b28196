// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../base/errors.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";

export type RefFilter = (ref: Ref) => boolean;

function compileGlob(glob: string, where: string): RegExp {
  const parts = glob.split("/");
  const kind = parts[0] === "app" || parts[0] === "runtime" ? parts.shift() : undefined;
  if (parts.length < 1 || parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.*-]*$/.test(part))) {
    throw new DowelError("REF_INVALID", `${where}: ${JSON.stringify(glob)} must be [KIND/]ID[/ARCH[/BRANCH]] with *`);
  }
  const patterns = [0, 1, 2].map((at) => {
    const part = parts[at] ?? "";
    return part === "" ? "[^/]*" : part.replace(/[.]/g, "\\.").replace(/\*+/g, "[^/]*");
  });
  return new RegExp(`^${kind ?? "(?:app|runtime)"}/${patterns.join("/")}$`);
}

/**
 * Reads a filter file: lines `allow GLOB` and `deny GLOB`, comments with `#`. A ref passes if no `deny` fits it, or
 * an `allow` fits it (flatpak-remote-add(1), FILTER FILE).
 */
export function parseFilter(text: string, path: string): RefFilter {
  const allowed: RegExp[] = [];
  const denied: RegExp[] = [];
  text.split("\n").forEach((line, at) => {
    const [verb, glob, ...rest] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (verb === undefined || verb === "") return;
    const where = `${path}:${at + 1}`;
    const list = verb === "allow" ? allowed : verb === "deny" ? denied : undefined;
    if (list === undefined || glob === undefined || rest.length > 0) {
      throw new DowelError("REF_INVALID", `${where}: expected "allow GLOB" or "deny GLOB"`);
    }
    list.push(compileGlob(glob, where));
  });
  return (ref) => {
    const name = formatRef(ref);
    return !denied.some((glob) => glob.test(name)) || allowed.some((glob) => glob.test(name));
  };
}

/** Reads a filter file from the disk. */
export function readFilter(path: string): RefFilter {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fileError(error, "read the filter", path);
  }
  return parseFilter(text, path);
}
