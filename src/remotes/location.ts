// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { DowelError } from "../base/errors.ts";
import { isPlainHost } from "../oci/client/tls.ts";
import { parseImageReference, parseRemoteAddress } from "../oci/reference.ts";

/** Images in a registry, below a namespace. */
export interface RegistryLocation {
  readonly kind: "registry";
  /** `http(s)://HOST[:PORT]/PATH/`; the static index lies below it. */
  readonly baseUrl: string;
  /** `HOST` or `HOST:PORT`. */
  readonly host: string;
  readonly secure: boolean;
  /** `""` or `NAME(/NAME)*`, without slashes at the ends. */
  readonly namespace: string;
  /** The tag that the address names. */
  readonly tag: string | undefined;
}

/** One image of a registry. */
export interface ImageLocation {
  readonly kind: "image";
  readonly host: string;
  readonly secure: boolean;
  readonly repository: string;
  /** What is taken: the digest where one is given, else the tag. */
  readonly reference: string;
  /** What is followed for updates; undefined where only a digest is given. */
  readonly tag: string | undefined;
}

/** Images in an OCI layout: a folder, or a tar file of one. The path is absolute. */
export type LayoutLocation =
  | { readonly kind: "layout"; readonly path: string }
  | { readonly kind: "archive"; readonly path: string };

export type RemoteLocation = RegistryLocation | ImageLocation | LayoutLocation;

/** Whether a text starts as a place that images come from. */
export function looksLikeLocation(text: string): boolean {
  return /^(?:oci|oci-archive|docker|oci\+https?):/.test(text);
}

function registryLocation(address: string): RegistryLocation {
  const { baseUrl, tag } = parseRemoteAddress(address);
  const { host, protocol, pathname } = new URL(baseUrl);
  const namespace = decodeURIComponent(pathname)
    .replace(/^\/+|\/+$/g, "")
    .replace(/(?:^|\/)index$/, "");
  const named = address.includes("#") ? tag : undefined;
  return { kind: "registry", baseUrl, host, secure: protocol === "https:", namespace, tag: named };
}

function dockerLocation(text: string): RegistryLocation | ImageLocation {
  const rest = text.slice("docker://".length);
  const slash = rest.indexOf("/");
  const host = slash < 0 ? rest : rest.slice(0, slash);
  const secure = !isPlainHost(host);
  if (slash < 0 || !/[:@]/.test(rest.slice(slash)) || rest.includes("#")) {
    return registryLocation(`oci+${secure ? "https" : "http"}://${rest}`);
  }
  const reference = parseImageReference(text);
  if (reference.transport !== "docker") throw notALocation(text);
  const { repository, tag, digest } = reference;
  const followed = tag ?? (digest === undefined ? "latest" : undefined);
  return { kind: "image", host, secure, repository, reference: digest ?? followed ?? "latest", tag: followed };
}

function notALocation(text: string): DowelError {
  return new DowelError("IMAGE_REFERENCE_INVALID", `"${text}" is no location that images come from`, {
    hint: "Use oci+https://HOST/NAMESPACE, oci+http://HOST/NAMESPACE, docker://HOST/NAMESPACE, oci:FOLDER or oci-archive:FILE.",
  });
}

/**
 * Parses the URL of a remote: `oci+https://HOST/NAMESPACE[#TAG]`, `oci+http://…`, `docker://HOST/NAMESPACE` (TLS,
 * but for this machine without certificates), `docker://HOST/REPOSITORY[:TAG][@DIGEST]` for a single image, `oci:FOLDER` or
 * `oci-archive:FILE`. Relative paths count from the working folder. Throws `IMAGE_REFERENCE_INVALID`.
 */
export function parseLocation(text: string): RemoteLocation {
  if (text.startsWith("docker://")) return dockerLocation(text);
  if (/^oci\+https?:\/\//.test(text)) return registryLocation(text);
  const reference = looksLikeLocation(text) ? parseImageReference(text) : undefined;
  if (reference === undefined || reference.transport === "docker" || reference.name !== undefined) {
    throw notALocation(text);
  }
  return { kind: reference.transport === "oci" ? "layout" : "archive", path: resolve(reference.path) };
}

function formatReference({ reference, tag }: ImageLocation): string {
  const named = tag === undefined ? "" : `:${tag}`;
  return reference === tag ? named : `${named}@${reference}`;
}

/** Where newer versions of what is at a location are looked for: at its tag, where it has one, and not at its digest. */
export function locationOfUpdates(location: RemoteLocation): RemoteLocation {
  if (location.kind !== "image" || location.tag === undefined) return location;
  return { ...location, reference: location.tag };
}

/** The text that parses to the same location. */
export function formatLocation(location: RemoteLocation): string {
  switch (location.kind) {
    case "layout":
      return `oci:${location.path}`;
    case "archive":
      return `oci-archive:${location.path}`;
    case "image":
      return `docker://${location.host}/${location.repository}${formatReference(location)}`;
    case "registry":
      return `oci+${location.baseUrl.replace(/\/$/, "")}${location.tag === undefined ? "" : `#${location.tag}`}`;
  }
}
