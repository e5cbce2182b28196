// SPDX-License-Identifier: Apache-2.0
import type { SignedIdentity } from "./identity.ts";
import type { KeySource, Policy, Requirement } from "./policy.ts";

function keys(sources: readonly KeySource[], name: "keyPath" | "rekorPublicKeyPath" | "caPath"): object {
  const [first] = sources;
  if (first === undefined) return {};
  if (first.kind === "data") return { [name.replace(/Path$/, "Data")]: Buffer.from(first.data).toString("base64") };
  const paths = sources.flatMap((source) => (source.kind === "path" ? [source.path] : []));
  return paths.length === 1 ? { [name]: first.path } : { [`${name}s`]: paths };
}

function encodeIdentity(identity: SignedIdentity): object {
  if (identity.type === "exactReference") return { type: identity.type, dockerReference: identity.reference };
  if (identity.type === "exactRepository") return { type: identity.type, dockerRepository: identity.repository };
  return identity;
}

function encodeRequirement(requirement: Requirement): object {
  const { type } = requirement;
  if (requirement.type === "signedBy") {
    const signedIdentity = encodeIdentity(requirement.identity);
    return { type, keyType: "GPGKeys", ...keys(requirement.keys, "keyPath"), signedIdentity };
  }
  if (requirement.type !== "sigstoreSigned") return { type };
  const { signer, log } = requirement;
  const signedIdentity = encodeIdentity(requirement.identity);
  if ("keys" in signer)
    return { type, ...keys(signer.keys, "keyPath"), ...keys(log, "rekorPublicKeyPath"), signedIdentity };
  const { authority, issuer, subject } = signer.keyless;
  const fulcio = { ...keys([authority], "caPath"), oidcIssuer: issuer, subjectEmail: subject };
  return { type, fulcio, ...keys(signer.keyless.log, "rekorPublicKeyPath"), signedIdentity };
}

/** The text of a policy file, as containers-policy.json(5) describes it; scopes sorted. */
export function encodePolicy(policy: Policy): string {
  const encodeScopes = (scopes: ReadonlyMap<string, readonly Requirement[]>) =>
    Object.fromEntries([...scopes].sort().map(([scope, list]) => [scope, list.map(encodeRequirement)]));
  const transports = Object.fromEntries([...policy.transports].map(([name, scopes]) => [name, encodeScopes(scopes)]));
  return `${JSON.stringify({ default: policy.default.map(encodeRequirement), transports }, null, 2)}\n`;
}
