// SPDX-License-Identifier: Apache-2.0
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { DowelError } from "../base/errors.ts";
import { lockFile } from "../sys/locks.ts";
import type { BuildRequest } from "./request.ts";
import { StateFolder } from "./state.ts";

/** The folders of a build, and its settings that do not change the result. */
export function openWork(request: BuildRequest): {
  state: StateFolder;
  layoutDir: string;
  /** The layout is the state folder's own. */
  ownLayout: boolean;
  excluded: readonly string[];
  jobs: number;
  keepBuildFolders: boolean;
} {
  const state = new StateFolder(resolve(request.stateDir ?? ".dowel-builder"));
  const layoutDir = resolve(request.layoutDir ?? join(state.path, "layout"));
  return {
    state,
    layoutDir,
    ownLayout: request.layoutDir === undefined,
    excluded: [state.path, layoutDir],
    jobs: request.jobs ?? availableParallelism(),
    keepBuildFolders: request.keepBuildDirs ?? false,
  };
}

/** Two builds in one state folder would write to the same build folders. */
export async function lockState(state: StateFolder, signal: AbortSignal | undefined): Promise<Disposable> {
  const lock = await lockFile(join(state.path, "lock"), { exclusive: true, signal });
  if (lock === undefined) throw new DowelError("IO", `Cannot lock ${state.path}`);
  state.clearTemporary();
  return lock;
}
