// SPDX-License-Identifier: Apache-2.0
import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { readPlainFile } from "../../sys/plainfile.ts";
import { tryRead } from "../deployments.ts";
import { imageFolder } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { namesIn } from "../names.ts";
import { ContentIndex } from "../objects/contents.ts";
import { rebuildIndex } from "../reindex.ts";
import type { Findings } from "./findings.ts";

/**
 * Finds an index that is damaged, or missing although an image came in layers that use it. A user loses no more by that
 * than the time of the next transfer.
 */
export function checkIndex(installation: Installation, findings: Findings, signal: AbortSignal | undefined): void {
  const path = join(installation.path, "index.sqlite");
  const status = lstatSync(path, { throwIfNoEntry: false });
  // What is no file was found with all that lies in the place of one.
  if (status?.isFile() === false) return;
  const isThere = status !== undefined;
  if (isThere ? ContentIndex.isSound(installation) : !isWanted(installation)) return;
  const detail = isThere ? "not a database, or a damaged one" : "updates would fetch more than they need";
  findings.add("index", isThere ? "damaged" : "missing", path, detail, () => rebuildIndex(installation, signal));
}

function isWanted(installation: Installation): boolean {
  return namesIn(installation.images).some((commit) => {
    const manifest = tryRead(() => readManifest(join(imageFolder(installation, commit), "manifest.json")));
    return manifest?.includes("io.github.containers.zstd-chunked.") === true;
  });
}

function readManifest(path: string): string | undefined {
  return existsSync(path) ? readPlainFile(path).toString() : undefined;
}
