// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Decoder } from "../../base/decode.ts";
import { errnoOf, fileError } from "../../base/errors.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
  /** An OAuth2 refresh token, used in place of the password where there is one. */
  readonly identityToken?: string;
}

/** Finds the credentials for a repository of a host (`HOST[:PORT]`). */
export type CredentialLookup = (host: string, repository: string) => Promise<Credentials | undefined>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Credentials from the files that containers-auth.json(5) names, in its order: `REGISTRY_AUTH_FILE` alone where it
 * is set, else the runtime folder's, the user's, and Docker's. Credential helper programs are not run.
 */
export function credentialsFromFiles(env: Environment): CredentialLookup {
  return async (host, repository) => {
    for (const path of authFiles(env)) {
      const found = findCredentials(await readAuthFile(path), host, repository);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

function authFiles(env: Environment): readonly string[] {
  const single = env["REGISTRY_AUTH_FILE"];
  if (single !== undefined && single !== "") return [single];
  const home = env["HOME"] ?? homedir();
  const runtime = env["XDG_RUNTIME_DIR"];
  const config = env["XDG_CONFIG_HOME"] ?? join(home, ".config");
  const docker = env["DOCKER_CONFIG"] ?? join(home, ".docker");
  return [
    ...(runtime === undefined || runtime === "" ? [] : [join(runtime, "containers", "auth.json")]),
    join(config, "containers", "auth.json"),
    join(docker, "config.json"),
  ];
}

async function readAuthFile(path: string): Promise<ReadonlyMap<string, Credentials>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return new Map();
    throw fileError(error, "read", path);
  }
  return parseAuthFile(text, path);
}

/** Reads the `auths` of an auth.json; entries without credentials (kept by a helper program) are left out. */
export function parseAuthFile(text: string, what: string): ReadonlyMap<string, Credentials> {
  const decoder = new Decoder("JSON_SYNTAX", what);
  const auths = decoder.optional(decoder.object(decoder.parse(text), "")["auths"], (value) =>
    decoder.object(value, "auths"),
  );
  const result = new Map<string, Credentials>();
  for (const [key, value] of Object.entries(auths ?? {})) {
    const entry = decoder.object(value, "auths entry");
    const auth = decoder.optional(entry["auth"], (item) => decoder.string(item, "auths entry.auth")) ?? "";
    const token = decoder.optional(entry["identitytoken"], (item) => decoder.string(item, "auths entry.identitytoken"));
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
  const name = host === "registry-1.docker.io" ? "docker.io" : host;
  for (let key = repository === "" ? name : `${name}/${repository}`; ; key = key.slice(0, key.lastIndexOf("/"))) {
    const found = entries.get(key);
    if (found !== undefined || !key.includes("/")) return found;
  }
}

/** Docker writes keys as addresses: `https://index.docker.io/v1/`. */
function normalizeKey(key: string): string {
  const bare = key
    .replace(/^https?:\/\//, "")
    .replace(/\/v[12]\/?$/, "")
    .replace(/\/+$/, "");
  return bare === "index.docker.io" ? "docker.io" : bare;
}
