// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import type { Ref } from "../../metadata/ref.ts";
import type { Manifest } from "../manifest/types.ts";
import { cleanupMatches, removeMatches } from "../stages/cleanup.ts";
import { fileAt, type Tree, textContent } from "../tree/types.ts";
import { addExports } from "./exports.ts";
import { addSplitImages } from "./metadata.ts";
import { applyRenames } from "./rename.ts";
import { splitTree } from "./split.ts";

/** What one module added or changed, relative to the prefix, and its own cleanup patterns. */
export interface ModuleChanges {
  readonly paths: readonly string[];
  readonly cleanup: readonly string[];
}

export interface FinishInput {
  readonly manifest: Manifest;
  readonly ref: Ref;
  /** `ID/ARCH/BRANCH`. */
  readonly runtime: string;
  readonly metadata: string;
  /** What was built, relative to the prefix. */
  readonly files: Tree;
  readonly changes: readonly ModuleChanges[];
  readonly report: Report;
}

/** An image as it is written. */
export interface FinishedImage {
  readonly ref: Ref;
  readonly metadata: string;
  readonly tree: Tree;
  /** Whether it is installed where the main image is. */
  readonly comesAlong: boolean;
}

/** Files as the tree of an image: below `files/`, with `metadata`. */
export function wholeTree(files: Tree, metadata: string): Tree {
  const tree: Tree = new Map([["files", { kind: "directory" }]]);
  for (const [path, entry] of files) {
    tree.set(`files/${path}`, entry.kind === "hardlink" ? { ...entry, to: `files/${entry.to}` } : entry);
  }
  tree.set("metadata", { kind: "file", executable: false, content: textContent(metadata) });
  return tree;
}

/**
 * Makes images from what the modules built: the main one, cleaned up, renamed, with `metadata` and `export/`, and after it
 * those of the extensions that were split off.
 */
export function finishImages(input: FinishInput): readonly FinishedImage[] {
  const { manifest, files, ref } = input;
  const matches = input.changes.flatMap(({ paths, cleanup }) =>
    cleanupMatches(paths, [...cleanup, ...manifest.cleanup]),
  );
  removeMatches(files, matches);
  const tree = wholeTree(files, input.metadata);
  if (ref.kind === "app") applyRenames(tree, manifest);
  const split = splitTree(tree, { manifest, ref, runtime: input.runtime });
  const metadata = addSplitImages(input.metadata, split);
  tree.set("metadata", { kind: "file", executable: false, content: textContent(metadata) });
  if (ref.kind === "app") {
    tree.set("export", { kind: "directory" });
    if (!manifest.finishArgs.includes("--no-exports")) addExports(tree, manifest.id, metadata, input.report);
    checkCommand(tree, metadata);
  }
  return [{ ref, metadata, tree, comesAlong: true }, ...split];
}

function checkCommand(tree: Tree, metadata: string): void {
  const { command } = parseMetadata(metadata);
  if (command === undefined || command.startsWith("/")) return;
  const entry = tree.get(`files/bin/${command}`);
  const file = fileAt(tree, `files/bin/${command}`);
  if (entry?.kind === "symlink" || file?.executable === true) return;
  throw new DowelError("BUILD_FAILED", `command: no program named ${command} in /app/bin`, {
    hint: "A module must install it, and no cleanup pattern may remove it.",
  });
}
