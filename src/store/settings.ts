// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import type { Installation } from "./installation.ts";

const group = "core";
const key = "xa.keep-versions";

/** A number of versions to keep beside the active one. Throws `USAGE` for what is none. */
export function parseKeptVersions(text: string): number {
  const count = /^[0-9]{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= limits.keptVersions) return count;
  throw new DowelError("USAGE", `${text}: not a number of versions to keep; expected 0 to ${limits.keptVersions}`);
}

/**
 * How many versions of a ref stay beside the active one, to go back to: `xa.keep-versions` in `[core]` of the
 * installation's `remotes.conf`, where Flatpak has such settings in the config of its repository; else one.
 * Throws `SCHEMA` where that is no such number.
 */
export function keptVersions(installation: Pick<Installation, "path">): number {
  const path = join(installation.path, "remotes.conf");
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return 1;
    throw fileError(error, "read", path);
  }
  const text = bytes.length === 0 ? undefined : parseKeyfile(bytes, path).get(group, key);
  if (text === undefined || text === "") return 1;
  try {
    return parseKeptVersions(text);
  } catch (cause) {
    throw new DowelError("SCHEMA", `${path}: [${group}] ${key} must be a number from 0 to ${limits.keptVersions}`, {
      cause,
    });
  }
}
