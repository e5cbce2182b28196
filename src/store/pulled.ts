// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileError } from "../base/errors.ts";
import { writeFileDurably } from "../sys/durability.ts";
import type { Installation } from "./installation.ts";
import { namesIn } from "./names.ts";

function folderOf(installation: Pick<Installation, "path">): string {
  return join(installation.path, "pulled");
}

/** Keeps an image that nothing deploys from being collected as garbage. To be called while the image is pinned. */
export function keepPulled(installation: Pick<Installation, "path">, commit: string): void {
  const folder = folderOf(installation);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileDurably(join(folder, commit), "");
  } catch (error) {
    throw fileError(error, "note what was fetched in", folder);
  }
}

/** Lets an image go that was kept: it is deployed now, or not wanted any more. */
export function forgetPulled(installation: Pick<Installation, "path">, commit: string): void {
  rmSync(join(folderOf(installation), commit), { force: true });
}

/** The images that were fetched without being deployed. */
export function pulledCommits(installation: Pick<Installation, "path">): readonly string[] {
  return namesIn(folderOf(installation)).filter((name) => /^[0-9a-f]{64}$/.test(name));
}
