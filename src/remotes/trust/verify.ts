// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { Registry } from "../../oci/client/registry.ts";
import type { Digest } from "../../oci/digest.ts";
import { findBundles, findClassic } from "../../oci/signatures/find.ts";
import { judge } from "../../oci/signatures/judge.ts";
import { findSimple } from "../../oci/signatures/lookaside.ts";
import type { ImagePlace, Remote } from "../types.ts";
import { type Home, readKey, rulingOf } from "./policyfile.ts";

export interface VerifyOptions {
  /** The remote that the image is taken from. */
  readonly remote?: Pick<Remote, "name" | "gpgVerify" | "signatureLookaside"> | undefined;
  readonly signal?: AbortSignal | undefined;
}

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
  { remote, signal }: VerifyOptions = {},
): Promise<readonly string[]> {
  if (place.kind !== "registry") {
    if (remote?.gpgVerify === true) throw noKey(remote.name, place.path);
    return [];
  }
  const { host } = new URL(place.baseUrl);
  const { repository } = place;
  const ruling = rulingOf(home, host, repository);
  const asksFor = (wanted: string) => ruling.requirements.some(({ type }) => type === wanted);
  const asksForNone = ruling.requirements.every(({ type }) => type === "insecureAcceptAnything");
  if (remote?.gpgVerify === true && asksForNone) throw noKey(remote.name, `${host}/${repository}`);
  const source = new Registry(place.baseUrl).repository(repository);
  const lookaside = remote?.signatureLookaside;
  const found = {
    simple:
      asksFor("signedBy") && lookaside !== undefined ? await findSimple(lookaside, repository, digest, signal) : [],
    classic: asksFor("sigstoreSigned") ? await findClassic(source, digest, signal) : [],
    bundles: asksFor("sigstoreSigned") ? await findBundles(source, digest, signal) : [],
  };
  return judge(ruling, { image: { digest, host, repository, tag: undefined }, found, readKey });
}
