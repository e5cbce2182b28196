// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, fileError } from "../../base/errors.ts";
import { configFolder } from "./authfiles.ts";
import { isLoopback } from "./url.ts";

/** What `fetch` is told about the certificates of one host. */
export interface TlsSettings {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/** Folders of containers-certs.d(5), the user's own before the system's; the first one that has the host wins. */
export function certificateFolders(env: Readonly<Record<string, string | undefined>> = process.env): readonly string[] {
  return [join(configFolder(env), "containers/certs.d"), "/etc/containers/certs.d", "/etc/docker/certs.d"];
}

const systemBundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/**
 * Whether a host (`HOST[:PORT]`) is spoken to in plain HTTP where nothing says how: only this machine, and not where
 * there are certificates for it.
 */
export function isPlainHost(host: string, folders: readonly string[] = certificateFolders()): boolean {
  const loopback = isLoopback(host.replace(/:[0-9]+$/, ""));
  return loopback && !folders.some((folder) => existsSync(join(folder, host)));
}

/**
 * The certificates for `HOST[:PORT]`: `*.crt` are authorities that count besides the system's, `NAME.cert` with
 * `NAME.key` is what the client shows. Undefined where there is no folder for the host.
 */
export async function readHostCertificates(folders: readonly string[], host: string): Promise<TlsSettings | undefined> {
  for (const parent of folders) {
    const folder = join(parent, host);
    const names = await listFolder(folder);
    if (names === undefined) continue;
    const read = async (name: string): Promise<string> => readText(join(folder, name));
    const authorities = await Promise.all(names.filter((name) => name.endsWith(".crt")).map(read));
    const client = names.find((name) => name.endsWith(".cert") && names.includes(name.replace(/cert$/, "key")));
    return {
      ...(authorities.length === 0 ? {} : { ca: [...(await systemAuthorities()), ...authorities] }),
      ...(client === undefined ? {} : { cert: await read(client), key: await read(client.replace(/cert$/, "key")) }),
    };
  }
  return undefined;
}

async function systemAuthorities(): Promise<readonly string[]> {
  for (const path of systemBundles) {
    try {
      return [await readFile(path, "utf8")];
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw fileError(error, "read", path);
    }
  }
  // It reads all certificates when it is loaded, which few hosts need.
  return (await import("node:tls")).rootCertificates;
}

async function listFolder(path: string): Promise<readonly string[] | undefined> {
  // Most hosts have none, and then the first request need not wait for a turn of the loop.
  if (!existsSync(path)) return undefined;
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw fileError(error, "list", path);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw fileError(error, "read", path);
  }
}
