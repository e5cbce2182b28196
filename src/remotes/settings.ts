// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { isWellKnownName } from "../formats/dbus/names.ts";
import type { Keyfile } from "../formats/keyfile/keyfile.ts";
import { isValidBranch } from "../metadata/ref.ts";
import { parseLocation } from "./location.ts";
import type { Remote } from "./types.ts";

/** What can be set of a remote; undefined leaves a value as it is, `""` takes it away. */
export interface RemoteSettings {
  readonly url?: string | undefined;
  readonly title?: string | undefined;
  readonly comment?: string | undefined;
  readonly description?: string | undefined;
  readonly homepage?: string | undefined;
  readonly icon?: string | undefined;
  readonly defaultBranch?: string | undefined;
  readonly filter?: string | undefined;
  readonly collectionId?: string | undefined;
  readonly subset?: string | undefined;
  readonly signatureLookaside?: string | undefined;
  readonly authenticatorName?: string | undefined;
  readonly authenticatorInstall?: boolean | undefined;
  /** Options to set by name; an empty value takes one away. */
  readonly authenticatorOptions?: ReadonlyMap<string, string> | undefined;
  readonly priority?: number | undefined;
  readonly disabled?: boolean | undefined;
  readonly noEnumerate?: boolean | undefined;
  readonly noDeps?: boolean | undefined;
  readonly gpgVerify?: boolean | undefined;
  /** Flatpak's mark of an address that stays whatever the remote says. Dowel follows none; it keeps the mark for others. */
  readonly keepsUrl?: boolean | undefined;
}

/** Keys of `[remote "NAME"]`, as Flatpak names them in the config of its repository. */
const textKeys = {
  url: "url",
  title: "xa.title",
  comment: "xa.comment",
  description: "xa.description",
  homepage: "xa.homepage",
  icon: "xa.icon",
  defaultBranch: "xa.default-branch",
  filter: "xa.filter",
  collectionId: "collection-id",
  subset: "xa.subset",
  signatureLookaside: "xa.signature-lookaside",
  authenticatorName: "xa.authenticator-name",
} as const satisfies Partial<Record<keyof RemoteSettings, string>>;

const booleanKeys = {
  disabled: "xa.disable",
  noEnumerate: "xa.noenumerate",
  noDeps: "xa.nodeps",
  gpgVerify: "gpg-verify",
  keepsUrl: "url-is-set",
  authenticatorInstall: "xa.authenticator-install",
} as const satisfies Partial<Record<keyof RemoteSettings, string>>;

/** Names of settings by what they hold, besides `priority` and `authenticatorOptions`. */
export const settingNames = {
  texts: Object.keys(textKeys) as readonly (keyof typeof textKeys)[],
  flags: Object.keys(booleanKeys) as readonly (keyof typeof booleanKeys)[],
};

const priorityKey = "xa.prio";
const optionPrefix = "xa.authenticator-options.";
const groupPattern = /^remote "([^"]+)"$/;
const defaultPriority = 1;

function groupOf(name: string): string {
  return `remote "${name}"`;
}

export function isRemoteName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(name);
}

/** Throws `USAGE` for a name that cannot name a remote. */
export function checkRemoteName(name: string): void {
  if (isRemoteName(name)) return;
  throw new DowelError(
    "USAGE",
    `Invalid name of a remote ${JSON.stringify(name)}: it may have letters, digits, _ . -`,
    {
      hint: "The command is: remote-add NAME LOCATION.",
    },
  );
}

/** The names of all remotes of a configuration, in the order of the file. */
export function remoteNames(keyfile: Keyfile): readonly string[] {
  return keyfile.groups().flatMap((group) => {
    const name = groupPattern.exec(group)?.[1];
    return name === undefined ? [] : [name];
  });
}

/** Reads one remote of a configuration; undefined where there is none of that name. */
export function readSettings(keyfile: Keyfile, name: string): Remote | undefined {
  const group = groupOf(name);
  if (!keyfile.hasGroup(group)) return undefined;
  const texts: { -readonly [Name in keyof typeof textKeys]?: string } = {};
  for (const [field, key] of Object.entries(textKeys) as [keyof typeof textKeys, string][]) {
    const value = keyfile.get(group, key);
    if (value !== undefined && value !== "") texts[field] = value;
  }
  const flag = (key: string): boolean => keyfile.getBoolean(group, key) ?? false;
  const install = keyfile.getBoolean(group, booleanKeys.authenticatorInstall);
  const options = readOptions(keyfile, group);
  return {
    ...texts,
    name,
    url: texts.url ?? "",
    priority: keyfile.getInteger(group, priorityKey) ?? defaultPriority,
    disabled: flag(booleanKeys.disabled),
    noEnumerate: flag(booleanKeys.noEnumerate),
    noDeps: flag(booleanKeys.noDeps),
    gpgVerify: flag(booleanKeys.gpgVerify),
    ...(install === undefined ? {} : { authenticatorInstall: install }),
    ...(options.size === 0 ? {} : { authenticatorOptions: options }),
  };
}

function readOptions(keyfile: Keyfile, group: string): ReadonlyMap<string, string> {
  const keys = keyfile.keys(group).filter((key) => key.startsWith(optionPrefix));
  return new Map(keys.map((key) => [key.slice(optionPrefix.length), keyfile.get(group, key) ?? ""]));
}

function checkSettings(settings: RemoteSettings): void {
  if (settings.url !== undefined) {
    if (/^(?:https?|file):\/\//.test(settings.url)) {
      throw new DowelError(
        "UNSUPPORTED",
        `${settings.url} is an OSTree repository; only OCI registries and layouts work`,
        {
          hint: "The address of a registry starts with oci+https://.",
        },
      );
    }
    parseLocation(settings.url);
  }
  const { defaultBranch, priority } = settings;
  if (defaultBranch !== undefined && defaultBranch !== "" && !isValidBranch(defaultBranch)) {
    throw new DowelError("REF_INVALID", `Invalid branch ${JSON.stringify(defaultBranch)}`);
  }
  if (priority !== undefined && !Number.isSafeInteger(priority)) {
    throw new DowelError("USAGE", "The priority of a remote must be a whole number");
  }
  const { authenticatorName } = settings;
  if (authenticatorName !== undefined && authenticatorName !== "" && !isWellKnownName(authenticatorName)) {
    throw new DowelError("USAGE", `Invalid name of an authenticator ${JSON.stringify(authenticatorName)}`, {
      hint: "It is a name on the session bus, as org.example.Authenticator.",
    });
  }
  for (const name of settings.authenticatorOptions?.keys() ?? []) {
    if (/^[A-Za-z0-9_.-]+$/.test(name)) continue;
    throw new DowelError("USAGE", `Invalid name of an authenticator option ${JSON.stringify(name)}`, {
      hint: "The form is --authenticator-option=NAME=VALUE.",
    });
  }
}

/** Writes what is set into a configuration. Throws before anything is written where a value is malformed. */
export function writeSettings(keyfile: Keyfile, name: string, settings: RemoteSettings): void {
  checkSettings(settings);
  const group = groupOf(name);
  for (const [field, key] of Object.entries(textKeys) as [keyof typeof textKeys, string][]) {
    const value = settings[field];
    if (value === "") keyfile.remove(group, key);
    else if (value !== undefined) keyfile.set(group, key, value);
  }
  for (const [field, key] of Object.entries(booleanKeys) as [keyof typeof booleanKeys, string][]) {
    const value = settings[field];
    if (value !== undefined) keyfile.setBoolean(group, key, value);
  }
  for (const [option, value] of settings.authenticatorOptions ?? []) {
    if (value === "") keyfile.remove(group, optionPrefix + option);
    else keyfile.set(group, optionPrefix + option, value);
  }
  if (settings.priority !== undefined) keyfile.setInteger(group, priorityKey, settings.priority);
}

export function removeSettings(keyfile: Keyfile, name: string): boolean {
  return keyfile.removeGroup(groupOf(name));
}
