// SPDX-License-Identifier: Apache-2.0
import { createHash, type Hash } from "node:crypto";
import { cpSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { DowelError } from "../../base/errors.ts";
import type { Source } from "../manifest/types.ts";
import type { SourceContext } from "./context.ts";
import { mergeFolder, sanitise } from "./place.ts";

export type DirSource = Extract<Source, { type: "dir" }>;

function isExcluded(path: string, source: DirSource, context: SourceContext): boolean {
  const skipped = source.skip.map((entry) => resolve(source.path, entry));
  return [...skipped, ...context.excluded].includes(path);
}

/** The hash of everything in the folder: names, kinds, contents, executable or not. What is below `.git` does not count. */
export function folderKey(source: DirSource, context: SourceContext): string {
  const hash = createHash("sha256");
  if (lstatSync(source.path, { throwIfNoEntry: false }) === undefined) {
    throw new DowelError("SOURCE_FETCH", `The source ${source.path} does not exist`);
  }
  hashFolder(hash, source.path, source, context);
  return hash.digest("hex");
}

function hashFolder(hash: Hash, folder: string, source: DirSource, context: SourceContext): void {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (name === ".git" || isExcluded(path, source, context)) continue;
    const stat = lstatSync(path);
    const label = JSON.stringify(relative(source.path, path));
    if (stat.isDirectory()) {
      hash.update(`folder ${label}\n`);
      hashFolder(hash, path, source, context);
    } else if (stat.isSymbolicLink()) {
      hash.update(`link ${label} ${JSON.stringify(readlinkSync(path))}\n`);
    } else if (stat.isFile()) {
      const content = createHash("sha256").update(readFileSync(path)).digest("hex");
      hash.update(`file ${label} ${(stat.mode & 0o111) !== 0} ${content}\n`);
    }
  }
}

/** Copies the folder over what is there; sockets, pipes and devices are left out. */
export function copyFolder(source: DirSource, destination: string, context: SourceContext): void {
  using temporary = context.state.temporary("copy");
  cpSync(source.path, temporary.path, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (from) => {
      const stat = lstatSync(from);
      return !isExcluded(from, source, context) && (stat.isDirectory() || stat.isFile() || stat.isSymbolicLink());
    },
  });
  sanitise(temporary.path, source.path);
  mergeFolder(temporary.path, destination);
}
