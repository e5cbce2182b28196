// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { readGpgKey } from "./gpgkey.ts";
import { loadFile, refuseLocalImages } from "./loadfile.ts";
import type { RemoteSettings } from "./settings.ts";

/** The settings of a remote, ready for `addRemote`, and the keyring that its images are signed with. */
export type RepoFile = RemoteSettings & { readonly url: string; readonly gpgKey: Uint8Array | undefined };

const group = "Flatpak Repo";

/** Reads a `.flatpakrepo` file (flatpak-flatpakrepo(5)). `where` names it in messages. */
export function parseRepoFile(bytes: Uint8Array, where: string): RepoFile {
  const keyfile = parseKeyfile(bytes, where);
  if (!keyfile.hasGroup(group)) throw new DowelError("SCHEMA", `${where}: the group [${group}] is missing`);
  const version = keyfile.get(group, "Version");
  if (version !== undefined && version !== "1") {
    throw new DowelError("SCHEMA", `${where}: Version of [${group}] must be 1`);
  }
  const url = keyfile.get(group, "Url");
  if (url === undefined) throw new DowelError("SCHEMA", `${where}: Url of [${group}] is missing`);
  const text = (key: string): string | undefined => keyfile.get(group, key);
  const gpgKey = readGpgKey(keyfile, group, where);
  return {
    url,
    title: text("Title"),
    comment: text("Comment"),
    description: text("Description"),
    homepage: text("Homepage"),
    icon: text("Icon"),
    defaultBranch: text("DefaultBranch"),
    filter: text("Filter"),
    collectionId: text("DeployCollectionID") ?? text("CollectionID"),
    subset: text("Subset"),
    signatureLookaside: text("SignatureLookaside"),
    authenticatorName: text("AuthenticatorName"),
    authenticatorInstall: keyfile.getBoolean(group, "AuthenticatorInstall"),
    noDeps: keyfile.getBoolean(group, "NoDeps"),
    gpgVerify: gpgKey === undefined ? undefined : true,
    gpgKey,
  };
}

/** Fetches and reads a `.flatpakrepo` file from a path or an address. Throws as `parseRepoFile` and `refuseLocalImages`. */
export async function loadRepoFile(place: string, signal?: AbortSignal): Promise<RepoFile> {
  const file = parseRepoFile(await loadFile(place, signal), place);
  refuseLocalImages(place, file.url);
  return file;
}
