// SPDX-License-Identifier: Apache-2.0
import { type Digest, isDigest } from "../digest.ts";
import { isRepositoryName, isTag } from "../reference.ts";

/** An image as it is asked for. */
export interface SignedImage {
  readonly digest: Digest;
  /** `HOST` or `HOST:PORT` */
  readonly host: string;
  readonly repository: string;
  /** Undefined where it is asked for by digest. */
  readonly tag: string | undefined;
}

/** Which name a signature must carry; containers-policy.json(5), `signedIdentity`. */
export type SignedIdentity =
  | { readonly type: "matchExact" | "matchRepoDigestOrExact" | "matchRepository" }
  | { readonly type: "exactReference"; readonly reference: string }
  | { readonly type: "exactRepository"; readonly repository: string }
  | { readonly type: "remapIdentity"; readonly prefix: string; readonly signedPrefix: string };

/** A name taken apart; `repository` is `HOST/PATH`. */
export interface Name {
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

/** Reads `HOST/PATH[:TAG][@DIGEST]`; undefined where it is no such name. */
export function parseName(text: string): Name | undefined {
  const slash = text.indexOf("/");
  if (slash < 1) return undefined;
  const [named = "", digest, more] = text.split("@");
  const colon = named.indexOf(":", slash);
  const path = named.slice(slash + 1, colon < 0 ? undefined : colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (more !== undefined || !isRepositoryName(path) || !/^[A-Za-z0-9.[\]:-]+$/.test(named.slice(0, slash)))
    return undefined;
  if ((tag !== undefined && !isTag(tag)) || (digest !== undefined && !isDigest(digest))) return undefined;
  return { repository: named.slice(0, colon < 0 ? undefined : colon), tag, digest };
}

function sameName(claimed: Name, wanted: Name): boolean {
  if (claimed.repository !== wanted.repository) return false;
  if (claimed.tag === undefined && claimed.digest === undefined) return false;
  return claimed.tag === wanted.tag && claimed.digest === wanted.digest;
}

function remap(repository: string, prefix: string, signedPrefix: string): string {
  if (repository === prefix) return signedPrefix;
  return repository.startsWith(`${prefix}/`) ? `${signedPrefix}${repository.slice(prefix.length)}` : repository;
}

function matchName(claimed: Name, wanted: Name, byDigest: boolean): boolean {
  return byDigest && wanted.tag === undefined ? claimed.repository === wanted.repository : sameName(claimed, wanted);
}

/** Whether a claimed name is one that the identity asks for. A name that cannot be parsed never is. */
export function identityMatches(identity: SignedIdentity, claimedText: string, image: SignedImage): boolean {
  const claimed = parseName(claimedText);
  if (claimed === undefined) return false;
  const { host, repository, tag } = image;
  const digest = tag === undefined ? image.digest : undefined;
  const wanted: Name = { repository: `${host}/${repository}`, tag, digest };
  switch (identity.type) {
    case "matchExact":
      return sameName(claimed, wanted);
    case "matchRepoDigestOrExact":
      return matchName(claimed, wanted, true);
    case "matchRepository":
      return claimed.repository === wanted.repository;
    case "exactReference": {
      const exact = parseName(identity.reference);
      return exact !== undefined && sameName(claimed, exact);
    }
    case "exactRepository":
      return claimed.repository === identity.repository;
    case "remapIdentity":
      return matchName(
        claimed,
        { ...wanted, repository: remap(wanted.repository, identity.prefix, identity.signedPrefix) },
        true,
      );
  }
}
