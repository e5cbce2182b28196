// SPDX-License-Identifier: Apache-2.0
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileError } from "../../base/errors.ts";
import type { StateFolder } from "../state.ts";
import { StageCache } from "./cache.ts";
import type { StageObjects, StageTree } from "./objects.ts";

/** What kept stages may take before the oldest go, unless told otherwise: bytes. */
const defaultCacheLimit = 10 * 2 ** 30;

function digestsOf(tree: StageTree): readonly { readonly digest: string; readonly size: number }[] {
  return [...tree.values()].flatMap((entry) => (entry.kind === "file" ? [entry] : []));
}

/** Names of the folder's files, those used last first. */
function byUse(folder: string): readonly string[] {
  const used = (name: string) => statSync(join(folder, name)).mtimeMs;
  const names = readdirSync(folder).map((name) => ({ name, at: used(name) }));
  return names.sort((left, right) => right.at - left.at).map(({ name }) => name);
}

/**
 * Keeps what stages left below a limit: those used last stay, of the others records go first, then contents that no stage
 * has. What the build just used stays in any case. The caller holds the lock of the state folder. Answers how many records went.
 */
export function tidyStages(
  state: StateFolder,
  objects: StageObjects,
  keep: ReadonlySet<string>,
  limit: number = defaultCacheLimit,
): number {
  const folder = state.folder("cache", "stages");
  const cache = new StageCache(state, objects);
  const kept = new Set<string>();
  let bytes = 0;
  let removed = 0;
  try {
    for (const name of byUse(folder)) {
      const key = name.replace(/\.json$/, "");
      const contents = digestsOf(cache.load(key, { isUse: false })?.tree ?? new Map());
      const added = contents.filter(({ digest }) => !kept.has(digest)).reduce((sum, { size }) => sum + size, 0);
      if (!keep.has(key) && bytes + added > limit) {
        rmSync(join(folder, name), { force: true });
        removed += 1;
        continue;
      }
      bytes += added;
      for (const { digest } of contents) kept.add(digest);
    }
    objects.removeAllBut(kept);
  } catch (error) {
    throw fileError(error, "tidy up", folder);
  }
  return removed;
}
