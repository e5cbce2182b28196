// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { type Digest, isDigest } from "./digest.ts";

/** An image, or a place for one, as the user names it. */
export type ImageReference = RegistryReference | LayoutReference | ArchiveReference;

export interface RegistryReference {
  readonly transport: "docker";
  /** `HOST` or `HOST:PORT` */
  readonly host: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export interface LayoutReference {
  readonly transport: "oci";
  readonly path: string;
  readonly name?: string;
}

export interface ArchiveReference {
  readonly transport: "oci-archive";
  readonly path: string;
  readonly name?: string;
}

/** A remote in Flatpak's form: `oci+https://HOST/PATH[#TAG]`. */
export interface RemoteAddress {
  /** `http(s)://HOST[:PORT]/PATH/`, with a slash at the end. */
  readonly baseUrl: string;
  readonly tag: string;
}

const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const hostPattern = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?$/;

/** A repository name as the OCI distribution specification 1.1 allows it. */
export function isRepositoryName(text: string): boolean {
  return text.length <= limits.nameBytes && repositoryPattern.test(text);
}

export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Reads `docker://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, `oci:FOLDER[:NAME]` or `oci-archive:FILE[:NAME]`. */
export function parseImageReference(text: string): ImageReference {
  if (text.startsWith("docker://")) return parseRegistry(text, text.slice("docker://".length));
  for (const transport of ["oci", "oci-archive"] as const) {
    if (!text.startsWith(`${transport}:`) || text.startsWith(`${transport}://`)) continue;
    const { path, name } = splitPath(text, text.slice(transport.length + 1));
    return name === undefined ? { transport, path } : { transport, path, name };
  }
  throw invalid(text, "expected docker://HOST/REPOSITORY[:TAG][@DIGEST], oci:FOLDER[:NAME] or oci-archive:FILE[:NAME]");
}

export function formatImageReference(reference: ImageReference): string {
  if (reference.transport === "docker") {
    const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
    const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
    return `docker://${reference.host}/${reference.repository}${tag}${digest}`;
  }
  return `${reference.transport}:${reference.path}${reference.name === undefined ? "" : `:${reference.name}`}`;
}

/** Reads the address of a remote, `oci+https://HOST[:PORT][/PATH][#TAG]` or `oci+http://…`. The tag is `latest` by default. */
export function parseRemoteAddress(text: string): RemoteAddress {
  if (!/^oci\+https?:\/\//.test(text)) throw invalid(text, "expected oci+https://HOST[/PATH][#TAG]");
  let url: URL;
  try {
    url = new URL(text.slice("oci+".length));
  } catch (cause) {
    throw invalid(text, "not a valid address", cause);
  }
  const tag = url.hash.slice(1);
  if (tag !== "" && !isTag(tag)) throw invalid(text, "the part after # must be a tag");
  if (url.username !== "" || url.password !== "") throw invalid(text, "credentials do not belong into an address");
  if (url.search !== "") throw invalid(text, "no query is allowed");
  const path = url.pathname.endsWith("/") ? url.pathname : `${url.pathname}/`;
  return { baseUrl: `${url.protocol}//${url.host}${path}`, tag: tag === "" ? "latest" : tag };
}

function parseRegistry(text: string, rest: string): RegistryReference {
  const slash = rest.indexOf("/");
  if (slash < 1) throw invalid(text, "a host and a repository are needed");
  const host = rest.slice(0, slash);
  const port = hostPattern.exec(host);
  if (port === null || Number(port[1] ?? 1) > 65535) throw invalid(text, `"${host}" is not a host name with a port`);
  const at = rest.indexOf("@", slash);
  const digest = at < 0 ? undefined : rest.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw invalid(text, "after @ a digest must follow, sha256:HEX");
  const named = rest.slice(slash + 1, at < 0 ? undefined : at);
  const colon = named.indexOf(":");
  const repository = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (!isRepositoryName(repository)) throw invalid(text, `"${repository}" is not a repository name (lower case only)`);
  if (tag !== undefined && !isTag(tag)) throw invalid(text, `"${tag}" is not a tag`);
  return {
    transport: "docker",
    host,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitPath(text: string, rest: string): { path: string; name?: string } {
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const name = colon < 0 ? "" : rest.slice(colon + 1);
  if (path === "" || path.includes("\0")) throw invalid(text, "a path is needed");
  return name === "" ? { path } : { path, name };
}

function invalid(text: string, reason: string, cause?: unknown): DowelError {
  return new DowelError("IMAGE_REFERENCE_INVALID", `Image "${text}": ${reason}`, { cause });
}
