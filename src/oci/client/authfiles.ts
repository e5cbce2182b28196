// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { Decoder, type JsonObject } from "../../base/decode.ts";
import { errnoOf, fileError } from "../../base/errors.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { lockFile } from "../../sys/locks.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A file with credentials, as containers-auth.json(5) and Docker have it. */
export interface AuthFile {
  readonly path: string;
  readonly object: JsonObject;
  /** `HOST[/NAMESPACE]`, in the file perhaps an address -> base64 of `USER:PASSWORD`, or an identity token. */
  readonly auths: Readonly<Record<string, unknown>>;
  /** Name of the helper program that keeps the credentials of a host. */
  readonly helpers: ReadonlyMap<string, string>;
  /** Name of the helper program that keeps all others; Docker's `credsStore`. */
  readonly store: string | undefined;
}

/** A folder that a variable names; empty and relative values count as unset, as in the XDG base directory specification. */
function folderOf(env: Environment, name: string): string | undefined {
  const value = env[name] ?? "";
  return isAbsolute(value) ? value : undefined;
}

/** The user's folder for configuration. */
export function configFolder(env: Environment): string {
  return folderOf(env, "XDG_CONFIG_HOME") ?? join(folderOf(env, "HOME") ?? homedir(), ".config");
}

/**
 * Where credentials are looked for, in the order of containers-auth.json(5): `REGISTRY_AUTH_FILE` alone where it is set,
 * else the runtime folder's (root's is `/run/containers/0`), the user's, and Docker's.
 */
export function authFilePaths(env: Environment): readonly string[] {
  const single = env["REGISTRY_AUTH_FILE"];
  if (single !== undefined && single !== "") return [single];
  const runtime = folderOf(env, "XDG_RUNTIME_DIR");
  const isRoot = process.getuid?.() === 0;
  const docker = env["DOCKER_CONFIG"] || join(folderOf(env, "HOME") ?? homedir(), ".docker");
  return [
    ...(runtime === undefined ? [] : [join(runtime, "containers", "auth.json")]),
    ...(runtime === undefined && isRoot ? ["/run/containers/0/auth.json"] : []),
    join(configFolder(env), "containers", "auth.json"),
    join(docker, "config.json"),
  ];
}

/** Reads the text of a file with credentials. Throws `JSON_SYNTAX`, which says nothing of what is in it. */
export function parseAuthFile(text: string, path: string): AuthFile {
  const decoder = new Decoder("JSON_SYNTAX", path);
  const object = decoder.object(decoder.parse(text), "");
  const auths = decoder.optional(object["auths"], (value) => decoder.object(value, "auths")) ?? {};
  const helpers = decoder.optional(object["credHelpers"], (value) => decoder.stringMap(value, "credHelpers"));
  const store = decoder.optional(object["credsStore"], (value) => decoder.string(value, "credsStore"));
  return { path, object, auths, helpers: helpers ?? new Map(), store: store === "" ? undefined : store };
}

/** A file with credentials; undefined where it is not there. */
export async function readAuthFile(path: string): Promise<AuthFile | undefined> {
  try {
    return parseAuthFile(await readFile(path, "utf8"), path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw fileError(error, "read", path);
  }
}

/** Changes the `auths` of a file, which only its owner may read; other things in it stay. Makes it where it is missing. */
export async function changeAuths(
  path: string,
  change: (auths: Map<string, unknown>) => void,
  signal?: AbortSignal,
): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    using _lock = await lockFile(`${path}.lock`, { exclusive: true, signal });
    const file = await readAuthFile(path);
    const auths = new Map(Object.entries(file?.auths ?? {}));
    change(auths);
    const object = { ...file?.object, auths: Object.fromEntries(auths) };
    writeFileDurably(path, `${JSON.stringify(object, undefined, 2)}\n`, 0o600);
  } catch (error) {
    throw fileError(error, "change", path);
  }
}
