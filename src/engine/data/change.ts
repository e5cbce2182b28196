// SPDX-License-Identifier: Apache-2.0
import { constants, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { DowelError, errnoOf, fileError, isDowelError } from "../../base/errors.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { changeOverrides, formatOverrides } from "../../metadata/overrides.ts";
import { readPermissions } from "../../metadata/permissions/codec.ts";
import type { Permissions } from "../../metadata/permissions/model.ts";
import { userPlace } from "../../store/places.ts";
import { Descriptor } from "../../sys/beneath.ts";
import { syncFileSystem } from "../../sys/durability.ts";
import { replaceFolder } from "../../sys/exchange.ts";
import { forgetLibrary } from "../library/change.ts";
import { openArchive } from "./archive-read.ts";
import { eraseBeneath } from "./erase.ts";
import {
  type DataSet,
  describeSet,
  eraseSet,
  holdSet,
  openAllData,
  openData,
  requireData,
  requireFree,
} from "./sets.ts";
import { readTree, type TreeEntry } from "./tree-read.ts";
import { writeTree } from "./tree-write.ts";

/** Writes a set's data aside, then puts them in place at once; what was there before goes. */
async function replaceData(set: DataSet, entries: AsyncIterable<TreeEntry>, signal?: AbortSignal): Promise<void> {
  using all = openAllData(set);
  const prefix = `.${set.name}.new-`;
  // What an earlier try that was killed has left; nobody else works on this set now.
  for (const name of readdirSync(all.path)) if (name.startsWith(prefix)) eraseBeneath(all, name);
  const aside = `${prefix}${process.pid}`;
  try {
    mkdirSync(`${all.path}/${aside}`, { mode: 0o700 });
    using root = Descriptor.beneath(all, aside, constants.O_RDONLY | constants.O_DIRECTORY);
    await writeTree(root, entries, set.path, signal);
    syncFileSystem(root.path);
    replaceFolder(`${all.path}/${aside}`, `${all.path}/${set.name}`);
  } catch (error) {
    throw isDowelError(error) || errnoOf(error) === undefined ? error : fileError(error, "write", set.path);
  } finally {
    eraseBeneath(all, aside);
  }
}

async function takeOverrides(set: DataSet, permissions: Permissions): Promise<void> {
  await changeOverrides(userPlace().path, set.name, () => permissions);
}

function parseOverrides(text: string | Uint8Array, what: string): Permissions {
  return readPermissions(parseKeyfile(text, what));
}

/** Copies one set of an app to a new one, overrides included. Throws `DATA_NOT_FOUND`, `DATA_EXISTS` or `APP_RUNNING`. */
export async function copySet(from: DataSet, to: DataSet, signal?: AbortSignal): Promise<void> {
  requireData(from);
  requireFree(to);
  using _from = holdSet(from);
  using _to = holdSet(to);
  using root = openData(from);
  await replaceData(to, readTree(root, from.path, { signal }), signal);
  let text: Uint8Array;
  try {
    text = readFileSync(from.overrides);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw fileError(error, "read", from.overrides);
  }
  await takeOverrides(to, parseOverrides(text, from.overrides));
}

/** Removes a profile with all it keeps, and the list of folders that were picked for it. Throws `USAGE` for the app's first set, `DATA_NOT_FOUND` or `APP_RUNNING`. */
export function removeSet(set: DataSet): void {
  if (set.profile === undefined) {
    throw new DowelError("USAGE", `The first data of ${set.id} are no profile that can be removed`, {
      hint: `To remove the app with its data: dowel uninstall --delete-data ${set.id}`,
    });
  }
  requireData(set);
  using _hold = holdSet(set);
  eraseSet(set);
  forgetLibrary(set.name);
}

export interface ImportOptions {
  /** Puts the data in the place of those that are there. */
  readonly replaces: boolean;
  /** Takes the permissions that the archive brings: they may give the app more than it has here. */
  readonly withOverrides: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes the data of an archive for a set. Nothing is changed unless the whole archive is sound. Answers the overrides
 * that it brings, as text, taken or not. Throws `DATA_ARCHIVE_INVALID`, `DATA_EXISTS` or `APP_RUNNING`.
 */
export async function importSet(set: DataSet, file: string, options: ImportOptions): Promise<string | undefined> {
  if (!options.replaces) requireFree(set);
  using _hold = holdSet(set);
  const archive = await openArchive(file, options.signal);
  if (archive.id !== set.id) {
    throw new DowelError("DATA_ARCHIVE_INVALID", `${file} has data of ${archive.id}, not for the ${describeSet(set)}`);
  }
  const brought = archive.overrides === undefined ? undefined : parseOverrides(archive.overrides, `${file}: overrides`);
  await replaceData(set, archive.entries, options.signal);
  if (brought === undefined) return undefined;
  if (options.withOverrides) await takeOverrides(set, brought);
  return formatOverrides(brought);
}
