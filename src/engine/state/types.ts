// SPDX-License-Identifier: Apache-2.0
import type { RemoteSettings } from "../../remotes/settings.ts";

/** Settings of a remote as a state file has them, by their keys in it. */
export type StatedRemote = Readonly<Record<string, string | number | boolean>>;

/** What an installation is to have. A part that is absent is left as it is; of the others nothing else stays. */
export interface State {
  /** By name. */
  readonly remotes?: ReadonlyMap<string, StatedRemote>;
  /** Names of remotes by the full refs that come from them. Runtimes that are not named stay. */
  readonly refs?: ReadonlyMap<string, string>;
  readonly pins?: readonly string[];
  readonly masks?: readonly string[];
  /** Texts of overrides files, by the id of the app, or `global`. */
  readonly overrides?: ReadonlyMap<string, string>;
  /** By the keys of `config`. */
  readonly config?: ReadonlyMap<string, string>;
}

/** Keys of a remote in a state file, in the order in which they are written. */
export const remoteKeys = {
  url: "url",
  title: "title",
  comment: "comment",
  description: "description",
  homepage: "homepage",
  icon: "icon",
  "default-branch": "defaultBranch",
  filter: "filter",
  "collection-id": "collectionId",
  subset: "subset",
  "signature-lookaside": "signatureLookaside",
  priority: "priority",
  disabled: "disabled",
  "no-enumerate": "noEnumerate",
  "no-deps": "noDeps",
  "gpg-verify": "gpgVerify",
} as const satisfies Readonly<Record<string, keyof RemoteSettings>>;

/** What a remote has where a state file does not say. */
export const remoteDefaults: StatedRemote = {
  priority: 1,
  disabled: false,
  "no-enumerate": false,
  "no-deps": false,
  "gpg-verify": false,
};
