// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import { Registry, type Repository } from "../../oci/client/registry.ts";
import type { Digest } from "../../oci/digest.ts";
import { decodeDocument } from "../../oci/manifest.ts";
import { findBundles, findClassic } from "../../oci/signatures/find.ts";
import { judge } from "../../oci/signatures/judge.ts";
import { findSimple } from "../../oci/signatures/lookaside.ts";
import { formatPlace } from "../place.ts";
import type { ImagePlace, Remote } from "../types.ts";
import { type Home, readKey, rulingOf } from "./policyfile.ts";

export interface VerifyOptions {
  /** The remote that the image is taken from. */
  readonly remote?: Pick<Remote, "name" | "gpgVerify" | "signatureLookaside"> | undefined;
  /** Tags under which there may be an index that names the image, and whose signature counts for it. */
  readonly tags?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An image may have any number of tags; no more indexes than these are looked for. */
const mostTags = 8;

/** A remote may say that its images are signed without anybody having said by whom. */
function noKey(remote: string, place: string): DowelError {
  return new DowelError("POLICY_REFUSED", `The remote ${remote} wants signatures, and no key is known for ${place}`, {
    hint: `Give one: remote-modify --gpg-import=FILE ${remote}; or trust it without: remote-modify --no-gpg-verify ${remote}.`,
  });
}

/**
 * Holds a manifest of a registry against the policy, before anything else of the image is fetched. Returns who signed
 * it, empty where nobody has to. Images in a file or folder are the user's own to judge. Throws `POLICY_REFUSED`,
 * `SIGNATURE_MISSING`, `SIGNATURE_REFUSED`, `POLICY_INVALID` or `KEY_INVALID`.
 */
export async function verifyImage(
  home: Home,
  place: ImagePlace,
  digest: Digest,
  { remote, tags = [], signal }: VerifyOptions = {},
): Promise<readonly string[]> {
  if (place.kind !== "registry") {
    if (remote?.gpgVerify === true) throw noKey(remote.name, formatPlace(place));
    return [];
  }
  const { host } = new URL(place.baseUrl);
  const { repository } = place;
  const ruling = rulingOf(home, host, repository);
  const asksFor = (wanted: string) => ruling.requirements.some(({ type }) => type === wanted);
  const asksForNone = ruling.requirements.every(({ type }) => type === "insecureAcceptAnything");
  if (remote?.gpgVerify === true && asksForNone) throw noKey(remote.name, `${host}/${repository}`);
  const source = new Registry(place.baseUrl, { token: place.token }).repository(repository);
  const lookaside = remote?.signatureLookaside;
  const judgeOne = async (one: Digest): Promise<readonly string[]> => {
    const [simple, classic, bundles] = await Promise.all([
      asksFor("signedBy") && lookaside !== undefined ? findSimple(lookaside, repository, one, signal) : [],
      asksFor("sigstoreSigned") ? findClassic(source, one, signal) : [],
      asksFor("sigstoreSigned") ? findBundles(source, one, signal) : [],
    ]);
    const found = { simple, classic, bundles };
    return judge(ruling, { image: { digest: one, host, repository, tag: undefined }, found, readKey });
  };
  try {
    return await judgeOne(digest);
  } catch (error) {
    if (!isUnsigned(error)) throw error;
    for await (const index of indexesWith(source, digest, tags, signal)) {
      const signers = await judgeOne(index).catch((other: unknown) => {
        if (!isUnsigned(other)) throw other;
        return undefined;
      });
      if (signers !== undefined) return signers;
    }
    throw error;
  }
}

/** Whether images of a place are taken whoever signed them, so that none of their bytes has to wait for a signature. */
export function takesUnsigned(home: Home, place: ImagePlace): boolean {
  if (place.kind !== "registry") return true;
  const { requirements } = rulingOf(home, new URL(place.baseUrl).host, place.repository);
  return requirements.every(({ type }) => type === "insecureAcceptAnything");
}

function isUnsigned(error: unknown): boolean {
  return isDowelError(error, "SIGNATURE_MISSING") || isDowelError(error, "SIGNATURE_REFUSED");
}

/**
 * The image indexes under the given tags that name a manifest by its digest: who signed such an index, as cosign does with
 * a tag that has several platforms, vouches for all that it names.
 */
async function* indexesWith(
  source: Repository,
  digest: Digest,
  tags: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Digest> {
  for (const tag of new Set(tags.slice(0, mostTags))) {
    try {
      const { descriptor, bytes } = await source.resolve(tag, signal);
      const document = decodeDocument(bytes, descriptor.mediaType, `${source.name}:${tag}`);
      if (document.kind === "index" && document.manifests.some((entry) => entry.digest === digest)) {
        yield descriptor.digest;
      }
    } catch (error) {
      if (!isDowelError(error, "REGISTRY_NOT_FOUND") && !isDowelError(error, "OCI_MANIFEST_INVALID")) throw error;
    }
  }
}
