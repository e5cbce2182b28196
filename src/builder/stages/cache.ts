// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { readFileSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fileError } from "../../base/errors.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import type { StateFolder } from "../state.ts";
import type { StageEntry, StageObjects, StageTree } from "./objects.ts";

/** Changed whenever the same inputs would give another result. */
const cacheVersion = 1;

/** The key of a stage: a sha256 over the key before it and all that the stage depends on, hex. */
export function stageKey(previous: string, inputs: unknown): string {
  const text = JSON.stringify([cacheVersion, previous, inputs], plainMaps);
  return createHash("sha256").update(text).digest("hex");
}

function plainMaps(_key: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value;
}

/** A stored stage: its files, and for each module stage so far the paths it added or changed. */
export interface StoredStage {
  readonly tree: StageTree;
  readonly changed: readonly string[];
}

/** Results of stages, by key, in `STATE/cache/stages/KEY.json`. */
export class StageCache {
  readonly #folder: string;
  readonly #objects: StageObjects;

  constructor(state: StateFolder, objects: StageObjects) {
    this.#folder = state.folder("cache", "stages");
    this.#objects = objects;
  }

  /** The stored stage; undefined where there is none, or it is damaged. It counts as used unless told otherwise. */
  load(key: string, { isUse = true } = {}): StoredStage | undefined {
    const path = join(this.#folder, `${key}.json`);
    try {
      const value: unknown = JSON.parse(readFileSync(path, "utf8"));
      const { tree, changed } = value as { tree: [string, StageEntry][]; changed: string[] };
      const stage = { tree: new Map(tree), changed };
      if (!this.#objects.holds(stage.tree)) return undefined;
      const now = new Date();
      if (isUse) utimesSync(path, now, now);
      return stage;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      // our own cache, cut short by a crash: the stage is made again
      rmSync(path, { force: true });
      return undefined;
    }
  }

  save(key: string, stage: StoredStage): void {
    const path = join(this.#folder, `${key}.json`);
    try {
      writeFileDurably(path, JSON.stringify({ tree: [...stage.tree], changed: stage.changed }));
    } catch (error) {
      throw fileError(error, "write", path);
    }
  }
}

/** The paths that are in the new tree and not the same in the old one; folders only where they are new. */
export function changedPaths(before: StageTree, after: StageTree): readonly string[] {
  return [...after].flatMap(([path, entry]) =>
    JSON.stringify(before.get(path)) === JSON.stringify(entry) ? [] : [path],
  );
}
