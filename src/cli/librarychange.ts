// SPDX-License-Identifier: Apache-2.0
import type { LibraryChange } from "../engine/library/change.ts";
import type { Result } from "../render/result.ts";
import { textLines } from "./lines.ts";

/** What became of a folder, and of the instances that run. */
export function showChange(change: LibraryChange, what: string, { json }: { readonly json?: boolean }): Result {
  if (json === true) return { kind: "json", value: change };
  const { folder, instances, failed } = change;
  const lines = [
    `${what}: ${folder.path} (${folder.name}, ${folder.access})`,
    ...(instances.length === 0 ? [] : [`Running instances that follow: ${instances.join(", ")}`]),
    ...failed.map(({ instance, reason }) => `Instance ${instance} follows at its next start: ${reason}`),
  ];
  return textLines(lines);
}
