// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import type { Keyfile } from "../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { type ExtensionPoint, readExtensionPoints } from "./extensions.ts";
import { readPermissions } from "./permissions/codec.ts";
import type { Permissions } from "./permissions/model.ts";
import { hasControlCharacters } from "./permissions/names.ts";
import { isValidId, parseRuntimeName, type Ref, type RefKind } from "./ref.ts";

/** What the metadata keyfile of an app or runtime says (flatpak-metadata(5)). */
export interface Metadata {
  readonly kind: RefKind;
  readonly name: string;
  /** The runtime that an app runs in, or that a runtime is built from. */
  readonly runtime: Ref | undefined;
  readonly sdk: Ref | undefined;
  /** What `run` starts without `--command`. */
  readonly command: string | undefined;
  /** Versions of Flatpak of which any suffices. */
  readonly requiredFlatpak: readonly string[];
  readonly tags: readonly string[];
  readonly permissions: Permissions;
  readonly extensions: readonly ExtensionPoint[];
  /** Full ref that this is an extension of. */
  readonly extensionOf: string | undefined;
  /** Names of extensions that were built together with it. */
  readonly builtExtensions: readonly string[];
  readonly keyfile: Keyfile;
}

function invalid(message: string, cause?: unknown): DowelError {
  return new DowelError("METADATA_INVALID", message, cause === undefined ? {} : { cause });
}

function readRef(keyfile: Keyfile, group: string, key: string): Ref | undefined {
  const text = keyfile.get(group, key);
  if (text === undefined || text === "") return undefined;
  try {
    return parseRuntimeName(text);
  } catch (cause) {
    throw invalid(`[${group}] ${key}: expected ID/ARCH/BRANCH, found ${JSON.stringify(text)}`, cause);
  }
}

function readText(keyfile: Keyfile, group: string, key: string): string | undefined {
  const text = keyfile.get(group, key);
  if (text !== undefined && hasControlCharacters(text)) throw invalid(`[${group}] ${key} has control characters`);
  return text;
}

function readMetadata(keyfile: Keyfile): Metadata {
  const kind = keyfile.hasGroup("Application") ? "app" : "runtime";
  const group = kind === "app" ? "Application" : "Runtime";
  const name = keyfile.get(group, "name");
  if (name === undefined) throw invalid("Neither [Application] nor [Runtime] has a name");
  if (!isValidId(name)) throw invalid(`[${group}] name: ${JSON.stringify(name)} is not an id`);
  const runtime = readRef(keyfile, group, "runtime");
  if (kind === "app" && runtime === undefined) throw invalid(`[${group}] runtime is missing`);
  return {
    kind,
    name,
    runtime,
    sdk: readRef(keyfile, group, "sdk"),
    command: readText(keyfile, group, "command") || undefined,
    requiredFlatpak: keyfile.getList(group, "required-flatpak") ?? [],
    tags: keyfile.getList(group, "tags") ?? [],
    permissions: readPermissions(keyfile),
    extensions: readExtensionPoints(keyfile),
    extensionOf: readText(keyfile, "ExtensionOf", "ref"),
    builtExtensions: keyfile.getList("Build", "built-extensions") ?? [],
    keyfile,
  };
}

/**
 * Reads the text of a metadata keyfile. Unknown groups and keys are left alone. Throws `METADATA_INVALID`, or
 * `PERMISSION_INVALID` for permissions that no version could know.
 */
export function parseMetadata(text: string): Metadata {
  try {
    return readMetadata(parseKeyfile(text, "metadata"));
  } catch (error) {
    if (isDowelError(error, "KEYFILE_SYNTAX")) throw invalid(error.message, error);
    throw error;
  }
}
