// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { DowelError } from "../base/errors.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { parseRef, type Ref } from "../metadata/ref.ts";
import { readGpgKey } from "./gpgkey.ts";
import { loadFile, refuseLocalImages } from "./loadfile.ts";
import { isRemoteName, type RemoteSettings } from "./settings.ts";

/** What a `.flatpakref` file says: one app or runtime, and the remote that has it. */
export interface RefFile {
  readonly ref: Ref;
  /** Of the remote, ready for `addRemote`. */
  readonly remote: RemoteSettings & { readonly url: string };
  /** A name for the remote where it shall be one like others, and not only the origin of this ref. */
  readonly suggestedName: string | undefined;
  /** Address of a `.flatpakrepo` file of a remote that has the runtime. */
  readonly runtimeRepo: string | undefined;
  /** The keyring that the images of the remote are signed with. */
  readonly gpgKey: Uint8Array | undefined;
}

const group = "Flatpak Ref";

/** Whether a word names a `.flatpakref` file, by path or address. */
export function looksLikeRefFile(word: string): boolean {
  return /^[^?#]+\.flatpakref(?:[?#].*)?$/.test(word) && !word.includes("\0");
}

/** Reads a `.flatpakref` file (flatpak-flatpakref(5)). `where` names it in messages, `arch` is that of the ref. */
export function parseRefFile(bytes: Uint8Array, where: string, arch: string = hostArch()): RefFile {
  const keyfile = parseKeyfile(bytes, where);
  if (!keyfile.hasGroup(group)) throw new DowelError("SCHEMA", `${where}: the group [${group}] is missing`);
  const text = (key: string): string | undefined => keyfile.get(group, key);
  const required = (key: string): string => {
    const value = text(key);
    if (value !== undefined && value !== "") return value;
    throw new DowelError("SCHEMA", `${where}: ${key} of [${group}] is missing`);
  };
  const version = text("Version");
  if (version !== undefined && version !== "1") {
    throw new DowelError("SCHEMA", `${where}: Version of [${group}] must be 1`);
  }
  const kind = keyfile.getBoolean(group, "IsRuntime") === true ? "runtime" : "app";
  const suggested = text("SuggestRemoteName");
  const gpgKey = readGpgKey(keyfile, group, where);
  return {
    ref: parseRef(`${kind}/${required("Name")}/${arch}/${text("Branch") ?? "master"}`),
    remote: {
      url: required("Url"),
      title: text("Title"),
      comment: text("Comment"),
      description: text("Description"),
      homepage: text("Homepage"),
      icon: text("Icon"),
      collectionId: text("DeployCollectionID") ?? text("CollectionID"),
      signatureLookaside: text("SignatureLookaside"),
      gpgVerify: gpgKey === undefined ? undefined : true,
    },
    suggestedName: suggested !== undefined && isRemoteName(suggested) ? suggested : undefined,
    runtimeRepo: text("RuntimeRepo"),
    gpgKey,
  };
}

/** Fetches and reads a `.flatpakref` file from a path or an address. Throws as `parseRefFile` and `refuseLocalImages`. */
export async function loadRefFile(place: string, arch: string | undefined, signal?: AbortSignal): Promise<RefFile> {
  const file = parseRefFile(await loadFile(place, signal), place, arch);
  refuseLocalImages(place, file.remote.url);
  return file;
}
