// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { DowelError } from "../../base/errors.ts";
import type { Module, Source } from "../manifest/types.ts";
import { isEnabled } from "./module.ts";

/** The files and folders of this machine that a source takes. */
export function localPaths(source: Source): readonly string[] {
  switch (source.type) {
    case "dir":
      return [source.path];
    case "file":
    case "archive":
      return source.origin.kind === "path" ? [source.origin.path] : [];
    case "patch":
      return source.paths;
    default:
      return [];
  }
}

/** Looks whether all local files and folders that a build will need are there. Throws `SOURCE_FETCH` with the place in the manifest. */
export function checkLocalSources(modules: readonly Module[], arch: string): void {
  for (const module of modules) {
    if (module.disabled || !isEnabled(module, arch)) continue;
    checkLocalSources(module.modules, arch);
    for (const source of module.sources) {
      if (!isEnabled(source, arch)) continue;
      const missing = localPaths(source).find((path) => !existsSync(path));
      if (missing === undefined) continue;
      throw new DowelError(
        "SOURCE_FETCH",
        `${source.where}: expected a file or folder at ${missing}; it does not exist`,
      );
    }
  }
}
