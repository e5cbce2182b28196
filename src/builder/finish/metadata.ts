// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { isGroupName, isKeyName } from "../../formats/keyfile/lines.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { writePermissions } from "../../metadata/permissions/codec.ts";
import { noPermissions } from "../../metadata/permissions/model.ts";
import { applyPermissionOption } from "../../metadata/permissions/options.ts";
import { parseRuntimeName } from "../../metadata/ref.ts";
import type { Manifest } from "../manifest/types.ts";

export interface MetadataInput {
  readonly manifest: Manifest;
  readonly arch: string;
  /** `ID/ARCH/BRANCH` of the runtime and of the Sdk. */
  readonly runtime: string;
  readonly sdk: string;
}

/** The text of the metadata keyfile that the manifest describes, checked by reading it back. */
export function makeMetadata(input: MetadataInput): string {
  const { manifest } = input;
  const text = manifest.metadata === undefined ? generate(input) : readGiven(manifest.metadata);
  const metadata = parseMetadata(text);
  if (metadata.name !== manifest.id) {
    throw new DowelError("METADATA_INVALID", `The metadata is for ${metadata.name}, expected ${manifest.id}`);
  }
  return text;
}

function readGiven(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw fileError(error, "read the metadata", path);
  }
}

function generate({ manifest, runtime, sdk }: MetadataInput): string {
  const keyfile = new Keyfile();
  keyfile.set("Application", "name", manifest.id);
  keyfile.set("Application", "runtime", runtime);
  keyfile.set("Application", "sdk", sdk);
  if (manifest.command !== undefined) keyfile.set("Application", "command", manifest.command);
  if (manifest.tags.length > 0) keyfile.setList("Application", "tags", manifest.tags);
  for (const [name, pairs] of manifest.extensions) {
    if (manifest.removeExtensions.includes(name)) continue;
    for (const [key, value] of pairs) keyfile.set(`Extension ${name}`, key, value);
  }
  applyFinishArgs(keyfile, manifest.finishArgs);
  return keyfile.toString();
}

/** `build-finish` takes permission options and some of its own, which change the keyfile directly. */
function applyFinishArgs(keyfile: Keyfile, options: readonly string[]): void {
  let permissions = noPermissions;
  const rest: string[] = [];
  for (const option of options) {
    if (ownOption(option) === undefined) permissions = applyPermissionOption(permissions, option);
    else rest.push(option);
  }
  writePermissions(keyfile, permissions);
  for (const option of rest) ownOption(option)?.(keyfile);
}

function ownOption(option: string): ((keyfile: Keyfile) => void) | undefined {
  const [, name = "", value = ""] = /^(--[a-z-]+)(?:=(.*))?$/s.exec(option) ?? [];
  switch (name) {
    case "--command":
      return (keyfile) => keyfile.set("Application", "command", value);
    case "--require-version":
      return (keyfile) => keyfile.set("Application", "required-flatpak", value);
    case "--metadata":
      return (keyfile) => setPair(keyfile, option, value);
    case "--extension":
      return (keyfile) => setExtension(keyfile, option, value);
    case "--remove-extension":
      return (keyfile) => void keyfile.removeGroup(`Extension ${value}`);
    case "--runtime":
    case "--sdk":
      return (keyfile) => {
        parseRuntimeName(value);
        keyfile.set("Application", name.slice(2), value);
      };
    case "--no-exports":
    case "--no-inherit-permissions":
      return () => undefined;
    case "--extra-data":
    case "--extension-priority":
      throw new DowelError("UNSUPPORTED", `finish-args: ${option}: this option is not supported yet`);
    default:
      return undefined;
  }
}

function setPair(keyfile: Keyfile, option: string, value: string): void {
  const [group = "", key = "", ...rest] = value.split("=");
  if (!isGroupName(group) || !isKeyName(key)) throw malformed(option, "--metadata=GROUP=KEY[=VALUE]");
  keyfile.set(group, key, rest.length === 0 ? "true" : rest.join("="));
}

function setExtension(keyfile: Keyfile, option: string, value: string): void {
  const [name = "", key = "", ...rest] = value.split("=");
  if (!isGroupName(name) || !isKeyName(key)) throw malformed(option, "--extension=NAME=KEY[=VALUE]");
  keyfile.set(`Extension ${name}`, key, rest.length === 0 ? "true" : rest.join("="));
}

function malformed(option: string, expected: string): DowelError {
  return new DowelError("PERMISSION_INVALID", `finish-args: ${option}: expected ${expected}`);
}
