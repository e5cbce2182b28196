// SPDX-License-Identifier: Apache-2.0
import { lstatSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { decodeConfig } from "../../oci/config.ts";
import { digestHex } from "../../oci/digest.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { removeFolder } from "../deploy/remove.ts";
import { removeEnded, retiredCommits } from "../deploy/retire.ts";
import { refFolder, refsOf, tryRead } from "../deployments.ts";
import { imageFolder } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { namesIn } from "../names.ts";
import { pulledCommits } from "../pulled.ts";
import { hideMountPoint, mountPoint } from "../shown.ts";
import type { Findings } from "./findings.ts";
import { removeWithin } from "./removal.ts";

/** Finds what interrupted work left in `tmp/` and beside the files that it meant to replace. */
export function checkTemporary(installation: Installation, findings: Findings): void {
  const remove = (path: string, detail: string): void =>
    findings.add("temporary", "leftover", path, detail, () => removeWithin(installation, path));
  for (const name of names(installation.tmp)) {
    // Parts of interrupted transfers are kept for a while, to be continued.
    if (name !== "blobs") remove(join(installation.tmp, name), "work was interrupted");
  }
  const folders = new Set([installation.path, installation.layers]);
  for (const ref of refsOf(installation)) {
    const folder = refFolder(installation, ref);
    folders.add(folder);
    folders.add(dirname(dirname(folder)));
    for (const name of names(folder)) folders.add(join(folder, name));
  }
  for (const folder of folders) {
    for (const name of names(folder)) {
      if (/\.tmp-[0-9]+-[0-9]+$/.test(name)) remove(join(folder, name), "a write was interrupted");
    }
  }
}

/**
 * Finds images, records of layers and mounts that nothing needs. `needed` are commits, `shown` the digests of all
 * composefs images that deployments show; undefined where they are not known.
 */
export function checkUnused(
  installation: Installation,
  findings: Findings,
  needed: ReadonlySet<string>,
  shown: ReadonlySet<string> | undefined,
): void {
  const retired = new Set([...retiredCommits(installation), ...pulledCommits(installation)]);
  if (findings.mend) removeEnded(installation);
  for (const commit of names(installation.images)) {
    if (needed.has(commit) || retired.has(commit)) continue;
    findings.add("image", "leftover", imageFolder(installation, commit), "nothing deploys it", () =>
      removeFolder(installation, imageFolder(installation, commit)),
    );
  }
  checkRecords(installation, findings);
  const mounts = dirname(mountPoint(installation.path, "any"));
  if (process.geteuid?.() !== 0 || retired.size > 0 || shown === undefined) return;
  for (const digest of names(mounts)) {
    if (shown.has(digest)) continue;
    const target = join(mounts, digest);
    findings.add("mount", "leftover", target, "no deployment shows it", () => hideMountPoint(target));
  }
}

/** Records are needed by every image that is there; where one does not say which, all stay. */
function checkRecords(installation: Installation, findings: Findings): void {
  const used = new Set<string>();
  for (const commit of names(installation.images)) {
    const path = join(imageFolder(installation, commit), "config.json");
    const config = tryRead(() => decodeConfig(readDocument(path), path));
    if (config === undefined) return;
    for (const diffId of config.diffIds) used.add(digestHex(diffId));
  }
  for (const name of names(installation.layers)) {
    const [, diffId] = /^([0-9a-f]{64}(?:[0-9a-f]{64})?)(?:\.toc)?$/.exec(name) ?? [];
    if (diffId === undefined || used.has(diffId)) continue;
    const path = join(installation.layers, name);
    findings.add("layer", "leftover", path, "no image has this layer", () => removeWithin(installation, path));
  }
}

function readDocument(path: string): Uint8Array {
  try {
    return readPlainFile(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/** The names in a folder, but not in one that a link leads to. */
function names(folder: string): string[] {
  return lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? namesIn(folder).sort() : [];
}
