// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { isGroupName, isKeyName } from "../../formats/keyfile/lines.ts";
import { writePermissions } from "../../metadata/permissions/codec.ts";
import { noPermissions } from "../../metadata/permissions/model.ts";
import { applyPermissionOption } from "../../metadata/permissions/options.ts";
import { parseRuntimeName } from "../../metadata/ref.ts";

/**
 * Carries out `finish-args` on a metadata keyfile: permission options, and some of `build-finish`'s own, which change
 * the keyfile directly. Throws `PERMISSION_INVALID` or `UNSUPPORTED`.
 */
export function applyFinishArgs(keyfile: Keyfile, options: readonly string[]): void {
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
    case "--extension-priority":
      if (!/^-?[0-9]{1,9}$/.test(value)) throw malformed(option, "--extension-priority=NUMBER");
      return (keyfile) => keyfile.set("ExtensionOf", "priority", value);
    case "--extra-data":
      return (keyfile) => addExtraData(keyfile, option, value);
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

/** `NAME:SHA256:SIZE:INSTALLED-SIZE:URL`, where the installed size may be empty. */
function addExtraData(keyfile: Keyfile, option: string, value: string): void {
  const match = /^([A-Za-z0-9_+][A-Za-z0-9_.+-]*):([0-9a-f]{64}):([0-9]+):([0-9]*):(https?:\/\/\S+)$/.exec(value);
  if (match === null) throw malformed(option, "--extra-data=NAME:SHA256:SIZE:INSTALLED-SIZE:URL");
  const [, name = "", checksum = "", size = "", installedSize = "", uri = ""] = match;
  const group = "Extra Data";
  let number = 0;
  const suffix = () => (number === 0 ? "" : String(number));
  while (keyfile.has(group, `name${suffix()}`)) number += 1;
  for (const [key, text] of Object.entries({ name, uri, checksum, size, "installed-size": installedSize })) {
    if (text !== "") keyfile.set(group, key + suffix(), text);
  }
}

function malformed(option: string, expected: string): DowelError {
  return new DowelError("PERMISSION_INVALID", `finish-args: ${option}: expected ${expected}`);
}
