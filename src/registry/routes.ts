// SPDX-License-Identifier: Apache-2.0
import { type Digest, isDigest } from "../oci/digest.ts";
import { isRepositoryName, isTag } from "../oci/reference.ts";
import { Failure } from "./failure.ts";

/** What a path asks for. */
export type Route =
  | { readonly kind: "ping" }
  | { readonly kind: "catalog" }
  /** Flatpak's index of the repositories below a namespace; `""` is all of them. */
  | { readonly kind: "index"; readonly namespace: string }
  | { readonly kind: "manifest"; readonly repository: string; readonly reference: string }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: Digest }
  | { readonly kind: "uploads"; readonly repository: string }
  | { readonly kind: "upload"; readonly repository: string; readonly id: string }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: Digest };

/** Reads the path of a request (OCI distribution specification 1.1, "Endpoints"); undefined: there is no such place. */
export function parseRoute(pathname: string): Route | undefined {
  if (pathname === "/v2/" || pathname === "/v2") return { kind: "ping" };
  if (pathname === "/v2/_catalog") return { kind: "catalog" };
  const index = /^(?:\/(.+))?\/index\/static$/.exec(pathname);
  if (index !== null && !pathname.startsWith("/v2/")) return { kind: "index", namespace: index[1] ?? "" };
  // names may hold parts such as "blobs", so the last match counts
  const match = /^\/v2\/(.+)\/(tags\/list|blobs\/uploads|manifests|referrers|blobs)(?:\/([^/]*))?$/.exec(pathname);
  const [, repository = "", place = "", last = ""] = match ?? [];
  if (match === null) return undefined;
  if (!isRepositoryName(repository)) throw new Failure("NAME_INVALID", "that is not a repository name");
  const item = decodeLast(last);
  switch (place) {
    case "tags/list":
      return last === "" ? { kind: "tags", repository } : undefined;
    case "blobs/uploads":
      return item === "" ? { kind: "uploads", repository } : { kind: "upload", repository, id: item };
    case "manifests":
      if (!isDigest(item) && !isTag(item)) throw new Failure("MANIFEST_INVALID", "that is neither a tag nor a digest");
      return { kind: "manifest", repository, reference: item };
    case "referrers":
      return { kind: "referrers", repository, digest: requireDigest(item) };
    default:
      return { kind: "blob", repository, digest: requireDigest(item) };
  }
}

export function requireDigest(text: string | null): Digest {
  if (text !== null && isDigest(text)) return text;
  throw new Failure("DIGEST_INVALID", "a digest must be sha256:HEX or sha512:HEX");
}

function decodeLast(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "%";
  }
}
