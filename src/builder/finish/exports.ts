// SPDX-License-Identifier: Apache-2.0
import type { Report } from "../../base/events.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { exportRules, isOwnBusName, isOwnName, stem } from "../../store/exports/names.ts";
import { addParents, fileAt, type Tree } from "../tree/types.ts";

/** Adds `export/…` for the files of `files/share` that the app may show to the host; says which ones it may not. */
export function addExports(tree: Tree, id: string, metadata: string, report: Report): void {
  const owned = ownedNames(metadata);
  for (const path of [...tree.keys()]) {
    if (!path.startsWith("files/share/")) continue;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const relative = path.slice("files/".length);
    const rule = exportRules.find(
      ({ folder, deep }) => relative.startsWith(`${folder}/`) && (deep || relative.lastIndexOf("/") === folder.length),
    );
    const file = fileAt(tree, path);
    if (rule === undefined || file === undefined || name.startsWith(".") || name.endsWith("~")) continue;
    const part = stem(name, rule.suffixes);
    if (part === undefined) continue;
    if (!(rule.exact ? isOwnBusName(part, id, owned) : isOwnName(part, id))) {
      if (rule.content !== "plain")
        report({ type: "note", text: `${relative} is not exported: its name does not begin with ${id}` });
      continue;
    }
    const target = `export/${rule.target === undefined ? relative : rule.target + relative.slice(rule.folder.length)}`;
    addParents(tree, target);
    tree.set(target, file);
  }
}

function ownedNames(metadata: string): readonly string[] {
  const { keyfile } = parseMetadata(metadata);
  const group = "Session Bus Policy";
  return keyfile.keys(group).filter((name) => keyfile.get(group, name) === "own");
}
