// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { type Metadata, parseMetadata } from "../../metadata/metadata.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import type { InstallationPlace } from "../../store/places.ts";
import { ensureShown, lowerOf } from "../../store/shown.ts";
import type { Tree } from "../tree/types.ts";
import { deploymentOf } from "./sdk.ts";

/** An installed runtime, to be put below an app. */
export interface Beneath {
  readonly commit: string;
  readonly metadata: Metadata;
  /** Reads its files; their paths begin with `files/`. */
  readonly tree: () => Tree;
}

/** Finds the runtime of an app in the first installation that has it. Throws `RUNTIME_NOT_FOUND`. */
export async function findBeneath(
  ref: Ref,
  places: readonly InstallationPlace[],
  signal: AbortSignal | undefined,
): Promise<Beneath> {
  for (const place of places) {
    const deployment = deploymentOf(place, ref);
    if (deployment === undefined) continue;
    await ensureShown(deployment, signal);
    const folder = join(lowerOf(deployment), "usr");
    return {
      commit: deployment.commit,
      metadata: parseMetadata(deployment.metadata),
      tree: () => readTree(folder),
    };
  }
  throw new DowelError("RUNTIME_NOT_FOUND", `The runtime ${formatRef(ref)} is not installed, and goes below the app`, {
    hint: `Install it first: dowel install ${ref.id}//${ref.branch}`,
  });
}

/** Other names of a file are files of their own: which are one depends on how the runtime is shown. */
function readTree(folder: string): Tree {
  const tree: Tree = new Map([["files", { kind: "directory" }]]);
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, name);
    const found = lstatSync(path);
    if (found.isDirectory()) tree.set(`files/${name}`, { kind: "directory" });
    if (found.isSymbolicLink()) tree.set(`files/${name}`, { kind: "symlink", target: readlinkSync(path) });
    if (!found.isFile()) continue;
    const content = { kind: "range", path, offset: 0, size: found.size } as const;
    tree.set(`files/${name}`, { kind: "file", executable: (found.mode & 0o111) !== 0, content });
  }
  return tree;
}
