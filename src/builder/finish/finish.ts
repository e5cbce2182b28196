// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import type { Manifest } from "../manifest/types.ts";
import { cleanupMatches, removeMatches } from "../stages/cleanup.ts";
import { fileAt, type Tree, textContent } from "../tree/types.ts";
import { addExports } from "./exports.ts";
import { applyRenames } from "./rename.ts";

/** What one module added or changed, relative to the prefix, and its own cleanup patterns. */
export interface ModuleChanges {
  readonly paths: readonly string[];
  readonly cleanup: readonly string[];
}

export interface FinishInput {
  readonly manifest: Manifest;
  readonly metadata: string;
  /** The files of `/app`, relative to it. */
  readonly files: Tree;
  readonly changes: readonly ModuleChanges[];
  readonly report: Report;
}

/** Makes the tree of an image from what the modules built: cleaned up, renamed, with `metadata` and `export/`. */
export function finishTree(input: FinishInput): Tree {
  const { manifest, files, metadata } = input;
  const matches = input.changes.flatMap(({ paths, cleanup }) =>
    cleanupMatches(paths, [...cleanup, ...manifest.cleanup]),
  );
  removeMatches(files, matches);
  const tree: Tree = new Map([["files", { kind: "directory" }]]);
  for (const [path, entry] of files) {
    tree.set(`files/${path}`, entry.kind === "hardlink" ? { ...entry, to: `files/${entry.to}` } : entry);
  }
  applyRenames(tree, manifest);
  tree.set("metadata", { kind: "file", executable: false, content: textContent(metadata) });
  tree.set("export", { kind: "directory" });
  if (!manifest.finishArgs.includes("--no-exports")) addExports(tree, manifest.id, metadata, input.report);
  checkCommand(tree, metadata);
  return tree;
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
