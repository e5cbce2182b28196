// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { compareBytes } from "../../base/text.ts";
import type { StageEntry, StageObjects, StageTree } from "./objects.ts";
import type { BuildParts } from "./parts.ts";
import type { Sdk } from "./sdk.ts";

/** Puts an entry into a tree whose paths may be of another kind: what is above becomes folders, what was below goes. */
function put(tree: Map<string, StageEntry>, path: string, entry: StageEntry): void {
  const names = path.split("/");
  for (let depth = 1; depth < names.length; depth += 1) {
    const above = names.slice(0, depth).join("/");
    if (tree.get(above)?.kind !== "directory") tree.set(above, { kind: "directory" });
  }
  if (entry.kind !== "directory" && tree.get(path)?.kind === "directory") {
    for (const other of [...tree.keys()]) if (other.startsWith(`${path}/`)) tree.delete(other);
  }
  tree.set(path, entry);
}

/** The files of a folder with those of extensions in it. */
function withExtensions(folder: string, extensions: BuildParts["baseExtensions"], objects: StageObjects): StageTree {
  const tree = new Map(objects.store(folder));
  for (const { directory, files } of extensions) {
    put(tree, directory, { kind: "directory" });
    for (const [path, entry] of objects.store(files)) {
      const moved = entry.kind === "hardlink" ? { ...entry, to: `${directory}/${entry.to}` } : entry;
      put(tree, `${directory}/${path}`, moved);
    }
  }
  // Folders before what is in them.
  return new Map([...tree].sort(([left], [right]) => compareBytes(left, right)));
}

/** The files that a build starts from: those of the Sdk for a runtime, else of the base app with its extensions. */
export function startTree(
  kind: "app" | "extension" | "runtime",
  { base, baseExtensions }: BuildParts,
  sdk: Sdk,
  objects: StageObjects,
): StageTree {
  if (kind === "runtime") return objects.store(join(sdk.lower, "usr"));
  return base === undefined ? new Map() : withExtensions(join(base.lower, "app"), baseExtensions, objects);
}

/**
 * The files of the platform that is derived from a runtime: those of the runtime that it starts from, and all that the build
 * changed (`after` against `before`) but for what is left out.
 */
export function platformTree(
  { platform, platformExtensions }: BuildParts,
  change: { readonly before: StageTree; readonly after: StageTree; readonly leftOut: ReadonlySet<string> },
  objects: StageObjects,
): StageTree {
  const { before, after, leftOut } = change;
  if (platform === undefined) return new Map();
  const tree = new Map(withExtensions(join(platform.lower, "usr"), platformExtensions, objects));
  for (const path of before.keys()) if (!after.has(path)) tree.delete(path);
  for (const [path, entry] of after) {
    if (leftOut.has(path) || JSON.stringify(before.get(path)) === JSON.stringify(entry)) continue;
    put(tree, path, entry.kind === "hardlink" ? (after.get(entry.to) ?? entry) : entry);
  }
  return new Map([...tree].sort(([left], [right]) => compareBytes(left, right)));
}
