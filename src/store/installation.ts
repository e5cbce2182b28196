// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { writeFileDurably } from "../sys/durability.ts";
import { readPlainFile } from "../sys/plainfile.ts";
import type { InstallationPlace } from "./places.ts";

const formatVersion = "1";

/**
 * A folder that holds objects, images and deployments:
 *
 * - `version`: the text `1`
 * - `objects/ab/cdef…`: contents, named by their fs-verity sha256 digest
 * - `layers/DIFF_ID`: what each layer brought, so that a layer that is here is not fetched again
 * - `index.sqlite`: which object has which sha256 digest, and where chunks of large files are; only a cache
 * - `images/MANIFEST/`: `manifest.json`, `config.json`, `image.cfs`, its `digest`, and `objects.list`
 * - `{app,runtime}/ID/ARCH/BRANCH/COMMIT/`, `active` -> COMMIT, `app/ID/current` -> ARCH/BRANCH
 * - `exports/`: links to what the current apps export
 * - `.removed/COMMIT.N/`: deployments that were removed while they run
 * - `background.json`: what the last update without anybody there did
 * - `history.jsonl`: what was changed when, one JSON object a line
 * - `pulled/COMMIT`: images that were fetched to be deployed later
 * - `remotes.conf`: remotes, and in `[core]` languages, pins, masks and the like
 * - `tmp/`: what is being made; `tmp/blobs/` keeps the bytes of interrupted transfers
 * - `lock`: held while deployments change; `pins`: held, shared, while something uses objects that nothing refers to yet;
 *   what it holds says whether all imports came to their end (`unfinished.ts`)
 */
export interface Installation extends InstallationPlace {
  readonly objects: string;
  readonly layers: string;
  readonly images: string;
  readonly exports: string;
  readonly tmp: string;
}

export function installationAt(place: InstallationPlace): Installation {
  const inside = (name: string): string => join(place.path, name);
  return {
    ...place,
    objects: inside("objects"),
    layers: inside("layers"),
    images: inside("images"),
    exports: inside("exports"),
    tmp: inside("tmp"),
  };
}

/**
 * Opens an installation for reading. One that was never used is empty; nothing is made. Throws `STORE_VERSION` for
 * the folder of a newer Dowel.
 */
export function openInstallation(place: InstallationPlace): Installation {
  const installation = installationAt(place);
  checkVersion(installation);
  return installation;
}

/** Opens an installation for changes; makes the folders that are missing. */
export function createInstallation(place: InstallationPlace): Installation {
  const installation = openInstallation(place);
  try {
    for (const folder of [place.path, installation.objects, installation.layers, installation.images]) {
      mkdirSync(folder, { recursive: true });
    }
    mkdirSync(installation.exports, { recursive: true });
    mkdirSync(installation.tmp, { recursive: true, mode: 0o700 });
    const version = join(place.path, "version");
    if (!existsSync(version)) writeFileDurably(version, formatVersion);
  } catch (error) {
    throw fileError(error, "make the installation", place.path);
  }
  return installation;
}

function checkVersion(installation: Installation): void {
  const path = join(installation.path, "version");
  let text: string;
  try {
    text = readPlainFile(path).toString().trim();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    if (isDowelError(error, "STORE_INVALID")) {
      throw new DowelError("STORE_VERSION", error.message, {
        hint: "Unless a newer Dowel made this installation, take that away.",
        cause: error,
      });
    }
    throw fileError(error, "read", path);
  }
  if (text === formatVersion) return;
  const isNewer = /^[1-9][0-9]*$/.test(text);
  throw new DowelError("STORE_VERSION", `${path}: version ${JSON.stringify(text)}, expected ${formatVersion}`, {
    hint: isNewer
      ? "A newer Dowel made this installation; use that one."
      : "The file is damaged. Unless a newer Dowel made this installation, delete it.",
  });
}
