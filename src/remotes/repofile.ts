// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { DowelError, fileError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { readBody } from "../oci/client/answer.ts";
import { Transport } from "../oci/client/transport.ts";
import type { RemoteSettings } from "./settings.ts";

/** The settings of a remote, ready for `addRemote`. */
type RepoFile = RemoteSettings & { readonly url: string };

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
  return {
    url,
    title: text("Title"),
    comment: text("Comment"),
    description: text("Description"),
    homepage: text("Homepage"),
    icon: text("Icon"),
    defaultBranch: text("DefaultBranch"),
    filter: text("Filter"),
    noDeps: keyfile.getBoolean(group, "NoDeps"),
    gpgVerify: text("GPGKey") === undefined ? undefined : true,
  };
}

async function download(address: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const url = new URL(address);
  const transport = new Transport(new URL("/", url).href);
  const answer = await transport.request({ method: "GET", url, scopes: [], expect: [200], signal });
  return readBody(answer, limits.keyfileBytes);
}

/** Fetches and reads a `.flatpakrepo` file from a path or an address. */
export async function loadRepoFile(place: string, signal?: AbortSignal): Promise<RepoFile> {
  if (/^https?:\/\//.test(place)) {
    if (!URL.canParse(place)) throw new DowelError("USAGE", `"${place}" is no valid address`);
    return parseRepoFile(await download(place, signal), place);
  }
  const path = place.replace(/^file:\/\//, "");
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path, { signal });
  } catch (error) {
    throw fileError(error, "read", path);
  }
  return parseRepoFile(bytes, path);
}
