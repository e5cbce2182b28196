// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
  chmodSync,
  constants,
  copyFileSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { errnoOf, fileError } from "../base/errors.ts";
import { makeTempFolder } from "../sys/tempfolder.ts";
import type { LayerEntry } from "./spec/types.ts";

/** The folder that a configuration layer has below a run folder; equal layers share one. */
function layerPath(runFolder: string, entries: readonly LayerEntry[]): string {
  const hash = createHash("sha256").update(JSON.stringify(entries)).digest("hex");
  return `${runFolder}/layers/${hash}`;
}

function writeEntry(root: string, entry: LayerEntry): void {
  const path = root + entry.path;
  if (entry.kind === "symlink") {
    symlinkSync(entry.to, path);
  } else if (entry.kind === "directory") {
    mkdirSync(path);
    chmodSync(path, 0o755);
  } else {
    if (entry.kind === "copy") copyFileSync(entry.source, path, constants.COPYFILE_EXCL);
    else writeFileSync(path, entry.kind === "data" ? Buffer.from(entry.base64, "base64") : entry.text, { flag: "wx" });
    chmodSync(path, 0o644);
  }
}

/** Marks a layer as used just now, for the sweep; false where there is none. */
function touch(path: string): boolean {
  try {
    const now = new Date();
    lutimesSync(path, now, now);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw fileError(error, "use", path);
  }
}

/** Writes a configuration layer where it does not exist yet, aside and then by one rename. Answers its folder. */
export function storeLayer(runFolder: string, entries: readonly LayerEntry[]): string {
  const path = layerPath(runFolder, entries);
  if (touch(path)) return path;
  const aside = makeTempFolder(`${runFolder}/layers/.new-`);
  try {
    chmodSync(aside, 0o755);
    for (const entry of entries) writeEntry(aside, entry);
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    const other = errnoOf(error) === "ENOTEMPTY" || errnoOf(error) === "EEXIST";
    if (!other) throw fileError(error, "write", path);
  }
  return path;
}
