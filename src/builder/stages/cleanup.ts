// SPDX-License-Identifier: Apache-2.0
import { removePaths, type Tree } from "../tree/types.ts";

/**
 * Whether a cleanup pattern takes a path (relative to the prefix). A pattern that begins with `/` is a path and takes
 * what lies below too; another is for the last name. `*` and `?` do not take `/`.
 */
function makeMatcher(pattern: string): (path: string) => boolean {
  const source = pattern
    .replace(/^\/+|\/+$/g, "")
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, "[^/]*")
    .replace(/\?/g, "[^/]");
  if (pattern.startsWith("/")) {
    const expression = new RegExp(`^${source}(/.*)?$`, "s");
    return (path) => expression.test(path);
  }
  const expression = new RegExp(`^${source}$`, "s");
  return (path) => expression.test(path.slice(path.lastIndexOf("/") + 1));
}

/** Of the given paths, those that the patterns take, with the debug files that belong to them. */
export function cleanupMatches(paths: readonly string[], patterns: readonly string[]): readonly string[] {
  const matchers = patterns.map(makeMatcher);
  return paths
    .filter((path) => matchers.some((matches) => matches(path)))
    .flatMap((path) => [path, `lib/debug/${path}.debug`]);
}

/** Removes the paths, leaf first; a folder goes only when nothing is left in it. */
export function removeMatches(tree: Tree, paths: readonly string[]): void {
  const left = new Map<string, number>();
  const parentOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 0));
  for (const path of tree.keys()) left.set(parentOf(path), (left.get(parentOf(path)) ?? 0) + 1);
  const gone = new Set<string>();
  for (const path of [...new Set(paths)].sort().reverse()) {
    if (!tree.has(path) || (left.get(path) ?? 0) > 0) continue;
    gone.add(path);
    left.set(parentOf(path), (left.get(parentOf(path)) ?? 0) - 1);
  }
  removePaths(tree, (path) => gone.has(path));
}
