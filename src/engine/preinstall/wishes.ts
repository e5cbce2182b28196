// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../../base/arch.ts";
import { isDowelError } from "../../base/errors.ts";
import type { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { isValidBranch, isValidId, type Ref } from "../../metadata/ref.ts";

/** A ref that the maker of the system wants installed. */
export interface Wish {
  readonly ref: Ref;
  /** The collection that it must come from; undefined for any. */
  readonly collectionId: string | undefined;
}

/** A `*.preinstall` file. */
export interface PreinstallFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

interface Entry {
  install: boolean;
  isRuntime: boolean;
  branch: string | undefined;
  collectionId: string | undefined;
}

const prefix = "Flatpak Preinstall ";

/** A boolean; one that cannot be read leaves what earlier files said. */
function readFlag(
  keyfile: Keyfile,
  group: string,
  key: string,
  before: boolean,
  warn: (text: string) => void,
): boolean {
  try {
    return keyfile.getBoolean(group, key) ?? before;
  } catch (error) {
    if (!isDowelError(error)) throw error;
    warn(`[${group}] ${key}: ${error.message}`);
    return before;
  }
}

function addGroup(entries: Map<string, Entry>, keyfile: Keyfile, group: string, warn: (text: string) => void): void {
  const id = group.slice(prefix.length);
  const entry = entries.get(id) ?? { install: true, isRuntime: false, branch: "master", collectionId: undefined };
  const branch = keyfile.get(group, "Branch");
  const collection = keyfile.get(group, "CollectionID");
  entry.install = readFlag(keyfile, group, "Install", entry.install, warn);
  entry.isRuntime = readFlag(keyfile, group, "IsRuntime", entry.isRuntime, warn);
  if (branch !== undefined) entry.branch = branch === "" ? undefined : branch;
  if (collection !== undefined) entry.collectionId = collection === "" ? undefined : collection;
  entries.set(id, entry);
}

/**
 * Reads `*.preinstall` files in the order in which later ones win, key by key (flatpak-preinstall(1)). What is malformed is
 * passed over with a warning, so that one mistake does not keep the other apps from a system.
 */
export function readWishes(
  files: readonly PreinstallFile[],
  warn: (text: string) => void,
  arch: string = hostArch(),
): readonly Wish[] {
  const entries = new Map<string, Entry>();
  for (const { path, bytes } of files) {
    try {
      const keyfile = parseKeyfile(bytes, path);
      for (const group of keyfile.groups()) {
        if (group.startsWith(prefix)) addGroup(entries, keyfile, group, (text) => warn(`${path}: ${text}`));
        else warn(`${path}: unknown group [${group}]`);
      }
    } catch (error) {
      if (!isDowelError(error)) throw error;
      warn(error.message);
    }
  }
  return [...entries].flatMap(([id, { install, isRuntime, branch, collectionId }]): Wish[] => {
    if (!install) return [];
    if (branch !== undefined && isValidBranch(branch) && isValidId(id)) {
      return [{ ref: { kind: isRuntime ? "runtime" : "app", id, arch, branch }, collectionId }];
    }
    warn(`[${prefix}${id}] is no valid ref with the branch ${JSON.stringify(branch ?? "")}`);
    return [];
  });
}
