// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { RemoteSettings } from "../remotes/settings.ts";
import { switchFlag, textFlag, textsFlag } from "./flags.ts";

/** Options that `remote-add` and `remote-modify` share. */
export interface RemoteFlags {
  readonly title?: string;
  readonly comment?: string;
  readonly description?: string;
  readonly homepage?: string;
  readonly icon?: string;
  readonly defaultBranch?: string;
  readonly collectionId?: string;
  readonly subset?: string;
  readonly filter?: string;
  readonly prio?: number;
  readonly signatureLookaside?: string;
  readonly authenticatorName?: string;
  readonly authenticatorOption?: readonly string[];
  readonly authenticatorInstall?: boolean;
  readonly noAuthenticatorInstall?: boolean;
  readonly disable?: boolean;
  readonly noEnumerate?: boolean;
  readonly noUseForDeps?: boolean;
  readonly noGpgVerify?: boolean;
  readonly noFollowRedirect?: boolean;
}

function parsePriority(text: string): number {
  if (/^-?[0-9]{1,9}$/.test(text)) return Number(text);
  throw new DowelError("USAGE", `--prio=${text}: the priority must be a whole number`);
}

export const remoteFlags = {
  title: textFlag("Title", "TEXT"),
  comment: textFlag("One line about it", "TEXT"),
  description: textFlag("A paragraph about it", "TEXT"),
  homepage: textFlag("Homepage", "URL"),
  icon: textFlag("Address of an icon", "URL"),
  defaultBranch: textFlag("Branch to prefer", "BRANCH"),
  collectionId: textFlag("Collection ID", "ID"),
  subset: textFlag("Offer only what is in this subset", "SUBSET"),
  filter: textFlag("File that says which refs to show", "FILE"),
  prio: {
    kind: "parsed",
    parse: parsePriority,
    brief: "Priority; higher is asked first",
    placeholder: "NUMBER",
    optional: true,
  },
  signatureLookaside: textFlag("Where the signatures of its images are", "URL"),
  authenticatorName: textFlag("Program that logs in", "NAME"),
  authenticatorOption: textsFlag("Option for that program", "NAME=VALUE"),
  authenticatorInstall: switchFlag("Install that program where it is missing"),
  noAuthenticatorInstall: switchFlag("Do not install that program"),
  disable: switchFlag("Do not use it"),
  noEnumerate: switchFlag("Do not list what it has"),
  noUseForDeps: switchFlag("Do not take runtimes from it"),
  noGpgVerify: switchFlag("Do not verify GPG signatures"),
  noFollowRedirect: switchFlag("Keep the address whatever the remote says, as Dowel always does; noted for Flatpak"),
} as const;

function parseOption(text: string): readonly [string, string] {
  const equals = text.indexOf("=");
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new DowelError("USAGE", `--authenticator-option=${text}: expected NAME=VALUE`);
}

/** What the options set, without those that were not given. */
export function remoteSettings(flags: RemoteFlags): RemoteSettings {
  const { title, comment, description, homepage, icon, defaultBranch, collectionId, subset, filter } = flags;
  const { signatureLookaside, authenticatorName, authenticatorOption = [] } = flags;
  const given: RemoteSettings = {
    ...{ title, comment, description, homepage, icon, defaultBranch, collectionId, subset, filter },
    ...{ signatureLookaside, authenticatorName },
    priority: flags.prio,
    disabled: flags.disable,
    noEnumerate: flags.noEnumerate,
    noDeps: flags.noUseForDeps,
    gpgVerify: flags.noGpgVerify === true ? false : undefined,
    keepsUrl: flags.noFollowRedirect,
    authenticatorInstall: flags.noAuthenticatorInstall === true ? false : flags.authenticatorInstall,
    authenticatorOptions: authenticatorOption.length === 0 ? undefined : new Map(authenticatorOption.map(parseOption)),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
