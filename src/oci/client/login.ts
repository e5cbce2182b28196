// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import { isRepositoryName } from "../reference.ts";
import { type AuthFile, authFilePaths, changeAuths, type Environment, readAuthFile } from "./authfiles.ts";
import { addressOf, type Credentials, normalizeKey, registryName } from "./credentials.ts";
import { eraseFromHelper, storeInHelper } from "./helper.ts";
import { Registry } from "./registry.ts";
import type { TransportOptions } from "./transport.ts";

/** What is logged in to: a registry, or a namespace of one. */
export interface LoginTarget {
  /** `HOST[:PORT]` */
  readonly host: string;
  /** `HOST[:PORT][/NAMESPACE]`, as files with credentials have it. */
  readonly key: string;
  /** Plain HTTP was asked for. */
  readonly plain: boolean;
}

/** Reads `HOST[:PORT][/NAMESPACE]`, perhaps after `docker://`, `https://` or `oci+http(s)://`. Throws `USAGE`. */
export function parseLoginTarget(text: string): LoginTarget {
  const [, scheme = "", rest = ""] = /^(docker:\/\/|(?:oci\+)?https?:\/\/)?(.*)$/.exec(text) ?? [];
  const [host = "", ...parts] = rest.replace(/\/+$/, "").split("/");
  const namespace = parts.join("/");
  const isHost = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.test(host);
  if (!isHost || (namespace !== "" && !isRepositoryName(namespace))) {
    throw new DowelError("USAGE", `${JSON.stringify(text)} is no registry`, {
      hint: "Name it as HOST[:PORT][/NAMESPACE].",
    });
  }
  const name = registryName(host);
  return { host: name, key: namespace === "" ? name : `${name}/${namespace}`, plain: scheme.includes("http://") };
}

export interface LoginOptions extends TransportOptions {
  /** File to keep the credentials in; else the first that would be looked at. */
  readonly authFile?: string | undefined;
  readonly env?: Environment;
  readonly signal?: AbortSignal | undefined;
}

function fileFor({ authFile, env = process.env }: LoginOptions): string {
  const path = authFile ?? authFilePaths(env)[0];
  if (path === undefined) throw new Error("there is always a file to write");
  return path;
}

/** The helper that a file names for a host, or for all. */
function helperOf(file: AuthFile | undefined, host: string): string | undefined {
  const own = [...(file?.helpers ?? [])].find(([key]) => normalizeKey(key) === host)?.[1];
  return own ?? file?.store;
}

async function check(target: LoginTarget, credentials: Credentials, transport: TransportOptions, signal?: AbortSignal) {
  const asked: TransportOptions = { ...transport, credentials: async () => credentials };
  const registry = target.plain ? new Registry(`http://${target.host}/`, asked) : Registry.forHost(target.host, asked);
  try {
    await registry.ping(signal);
  } catch (error) {
    if (!isDowelError(error, "REGISTRY_AUTH")) throw error;
    const text = `${target.host} does not accept this user and password (${error.message})`;
    throw new DowelError("REGISTRY_AUTH", text, { hint: "Nothing was kept.", cause: error });
  }
}

/**
 * Checks credentials with the registry and keeps them, in the file or with the helper that the file names. Throws
 * `REGISTRY_AUTH` where the registry refuses them; nothing is kept then. Answers where they are kept.
 */
export async function login(
  target: LoginTarget,
  credentials: Credentials,
  options: LoginOptions = {},
): Promise<string> {
  const { signal, authFile: _, env: __, ...transport } = options;
  if (credentials.user === "" || credentials.user.includes(":")) {
    throw new DowelError("USAGE", "A user's name has at least one character, and no colon");
  }
  await check(target, credentials, transport, signal);
  const path = fileFor(options);
  const helper = target.key === target.host ? helperOf(await readAuthFile(path), target.host) : undefined;
  if (helper !== undefined) {
    await storeInHelper(helper, addressOf(target.host), credentials);
    return `docker-credential-${helper}`;
  }
  const auth = Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64");
  await changeAuths(path, (auths) => auths.set(target.key, { auth }), signal);
  return path;
}

/** Forgets credentials, in every file that is looked at, or only in the one that is named. False where none were kept. */
export async function logout(target: LoginTarget, options: LoginOptions = {}): Promise<boolean> {
  const { authFile, env = process.env, signal } = options;
  let found = false;
  for (const path of authFile === undefined ? authFilePaths(env) : [authFile]) {
    const file = await readAuthFile(path);
    if (file === undefined) continue;
    const keys = Object.keys(file.auths).filter((key) => normalizeKey(key) === target.key);
    if (keys.length > 0) {
      await changeAuths(path, (auths) => keys.forEach((key) => void auths.delete(key)), signal);
      found = true;
    }
    const helper = target.key === target.host ? helperOf(file, target.host) : undefined;
    if (helper === undefined) continue;
    await eraseFromHelper(helper, addressOf(target.host));
    found = true;
  }
  return found;
}
