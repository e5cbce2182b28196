// SPDX-License-Identifier: Apache-2.0
import { Decoder } from "../../base/decode.ts";
import { type AuthFile, authFilePaths, type Environment, readAuthFile } from "./authfiles.ts";
import { getFromHelper } from "./helper.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
  /** An OAuth2 refresh token, used in place of the password where there is one. */
  readonly identityToken?: string;
}

/** Finds the credentials for a repository of a host (`HOST[:PORT]`). */
export type CredentialLookup = (host: string, repository: string) => Promise<Credentials | undefined>;

/**
 * Credentials from the files of `authFilePaths`, the first one that knows the host: a helper program that a file names for
 * it, then the file's own entries, then the helper that keeps all of that file's others.
 */
export function credentialsFromFiles(env: Environment): CredentialLookup {
  return async (host, repository) => {
    for (const path of authFilePaths(env)) {
      const file = await readAuthFile(path);
      const found = file === undefined ? undefined : await lookIn(file, host, repository);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

async function lookIn(file: AuthFile, host: string, repository: string): Promise<Credentials | undefined> {
  const name = registryName(host);
  const helper = [...file.helpers].find(([key]) => normalizeKey(key) === name)?.[1];
  const kept = helper === undefined ? undefined : await getFromHelper(helper, addressOf(name));
  const own = kept ?? findCredentials(readAuths(file), host, repository);
  if (own !== undefined || file.store === undefined) return own;
  return getFromHelper(file.store, addressOf(name));
}

/** The name by which a registry's credentials are kept. */
export function registryName(host: string): string {
  return host === "registry-1.docker.io" || host === "index.docker.io" ? "docker.io" : host;
}

/** What helpers call a registry: Docker Hub by its old address, all others by their host. */
export function addressOf(name: string): string {
  return name === "docker.io" ? "https://index.docker.io/v1/" : name;
}

/** The credentials in the file itself; entries without any (kept by a helper program) are left out. */
export function readAuths({ auths, path }: Pick<AuthFile, "auths" | "path">): ReadonlyMap<string, Credentials> {
  const decoder = new Decoder("JSON_SYNTAX", path);
  const result = new Map<string, Credentials>();
  for (const [key, value] of Object.entries(auths)) {
    const where = `auths[${JSON.stringify(key)}]`;
    const entry = decoder.object(value, where);
    const auth = decoder.optional(entry["auth"], (item) => decoder.string(item, `${where}.auth`)) ?? "";
    const token = decoder.optional(entry["identitytoken"], (item) => decoder.string(item, `${where}.identitytoken`));
    const plain = Buffer.from(auth, "base64").toString("utf8");
    const colon = plain.indexOf(":");
    if (colon < 0 && token === undefined) continue;
    result.set(normalizeKey(key), {
      user: plain.slice(0, Math.max(colon, 0)),
      password: colon < 0 ? "" : plain.slice(colon + 1).replace(/\0+$/, ""),
      ...(token === undefined || token === "" ? {} : { identityToken: token }),
    });
  }
  return result;
}

/** The entry for the longest prefix of `HOST/REPOSITORY`. */
export function findCredentials(
  entries: ReadonlyMap<string, Credentials>,
  host: string,
  repository: string,
): Credentials | undefined {
  const name = registryName(host);
  for (let key = repository === "" ? name : `${name}/${repository}`; ; key = key.slice(0, key.lastIndexOf("/"))) {
    const found = entries.get(key);
    if (found !== undefined || !key.includes("/")) return found;
  }
}

/** Docker writes keys as addresses: `https://index.docker.io/v1/`. */
export function normalizeKey(key: string): string {
  const bare = key
    .replace(/^https?:\/\//, "")
    .replace(/\/v[12]\/?$/, "")
    .replace(/\/+$/, "");
  return bare === "index.docker.io" ? "docker.io" : bare;
}
