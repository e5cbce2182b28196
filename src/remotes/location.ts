// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { DowelError } from "../base/errors.ts";
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

/** Images in an OCI layout: a folder, or a tar file of one. */
export interface LayoutLocation {
  readonly kind: "layout" | "archive";
  /** Absolute. */
  readonly path: string;
}

export type RemoteLocation = RegistryLocation | LayoutLocation;

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

/** Whether `HOST[:PORT]` is this machine, where a registry without TLS is no risk. */
function isLoopback(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, "");
  return name === "localhost" || name === "[::1]" || /^127(?:\.[0-9]{1,3}){3}$/.test(name);
}

/**
 * Parses the URL of a remote: `oci+https://HOST/NAMESPACE[#TAG]`, `oci+http://…`, `docker://HOST/NAMESPACE` (TLS,
 * but for this machine's own addresses), `oci:FOLDER` or `oci-archive:FILE`. Relative paths count from the working
 * folder. Throws `IMAGE_REFERENCE_INVALID`.
 */
export function parseLocation(text: string): RemoteLocation {
  if (text.startsWith("docker://")) {
    const rest = text.slice("docker://".length);
    const host = rest.split(/[/#]/, 1)[0] ?? "";
    return registryLocation(`oci+${isLoopback(host) ? "http" : "https"}://${rest}`);
  }
  if (/^oci\+https?:\/\//.test(text)) return registryLocation(text);
  const reference = looksLikeLocation(text) ? parseImageReference(text) : undefined;
  if (reference === undefined || reference.transport === "docker" || reference.name !== undefined) {
    throw new DowelError("IMAGE_REFERENCE_INVALID", `"${text}" is no location that images come from`, {
      hint: "Use oci+https://HOST/NAMESPACE, oci+http://HOST/NAMESPACE, docker://HOST/NAMESPACE, oci:FOLDER or oci-archive:FILE.",
    });
  }
  return { kind: reference.transport === "oci" ? "layout" : "archive", path: resolve(reference.path) };
}

/** The text that parses to the same location. */
export function formatLocation(location: RemoteLocation): string {
  if (location.kind === "layout") return `oci:${location.path}`;
  if (location.kind === "archive") return `oci-archive:${location.path}`;
  const tag = location.tag === undefined ? "" : `#${location.tag}`;
  return `oci+${location.baseUrl.replace(/\/$/, "")}${tag}`;
}
