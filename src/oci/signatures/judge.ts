// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { type BundleTrust, checkBundle, parseBundle } from "./bundle.ts";
import { type Claim, decodeClaim } from "./claim.ts";
import { asBundle } from "./classic.ts";
import type { FoundSignatures, Objection } from "./found.ts";
import { identityMatches, type SignedIdentity, type SignedImage } from "./identity.ts";
import { fingerprint, readPublicKey, signatureHolds } from "./keys.ts";
import { openMessage, readKeyring } from "./openpgp.ts";
import type { KeySource, Ruling, SignedBy, SigstoreSigned } from "./policy.ts";
import { decodeStatement } from "./statement.ts";

/** What a judgement looks at. Nothing else is read, and nothing is asked of a network. */
export interface Case {
  readonly image: SignedImage;
  readonly found: FoundSignatures;
  /** Reads a key file. */
  readonly readKey: (path: string) => Uint8Array;
}

type Verdict = { readonly signer: string } | { readonly objections: readonly Objection[] };

function bytesOf(source: KeySource, { readKey }: Case): { readonly bytes: Uint8Array; readonly what: string } {
  return source.kind === "data"
    ? { bytes: source.data, what: "A key in the policy" }
    : { bytes: readKey(source.path), what: source.path };
}

/** What a claim lacks for this image; undefined where nothing. */
function objectionTo(claim: Claim, identity: SignedIdentity, image: SignedImage): string | undefined {
  if (claim.digest !== image.digest) return `it is for another image, ${claim.digest}`;
  if (claim.reference === "") return "it names no repository";
  if (identityMatches(identity, claim.reference, image)) return undefined;
  return `it is for ${JSON.stringify(claim.reference)}, not for ${image.host}/${image.repository}`;
}

/** Turns what a malformed signature throws into an objection; errors of keys and policy go on. */
async function objecting(check: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof DowelError && error.code === "SIGNATURE_INVALID") return error.message;
    throw error;
  }
}

async function judgeSimple(requirement: SignedBy, subject: Case): Promise<Verdict> {
  const rings = await Promise.all(
    requirement.keys.map((source) => {
      const { bytes, what } = bytesOf(source, subject);
      return readKeyring(bytes, what);
    }),
  );
  const objections: Objection[] = [];
  for (const [index, message] of subject.found.simple.entries()) {
    const signature = `GPG signature ${index + 1}`;
    const opened = await openMessage(message, rings.flat());
    if ("reason" in opened) {
      objections.push({ signature, reason: opened.reason });
      continue;
    }
    const reason = await objecting(async () => {
      const claim = decodeClaim(opened.content, "atomic container signature", signature);
      return objectionTo(claim, requirement.identity, subject.image);
    });
    if (reason === undefined) return { signer: `GPG key ${opened.signer}` };
    objections.push({ signature, reason });
  }
  return { objections };
}

function trustOf({ signer, log }: SigstoreSigned, subject: Case): BundleTrust {
  const keys = (sources: readonly KeySource[]) =>
    sources.map((source) => {
      const { bytes, what } = bytesOf(source, subject);
      return readPublicKey(bytes, what);
    });
  if ("keys" in signer) return { kind: "keys", keys: keys(signer.keys), log: keys(log) };
  const { authority, issuer, subject: name, log: logs } = signer.keyless;
  return { kind: "keyless", authority: bytesOf(authority, subject).bytes, issuer, subject: name, log: keys(logs) };
}

function nameOf(trust: BundleTrust): string {
  if (trust.kind === "keyless") return `${trust.subject} by ${trust.issuer}`;
  return `key ${trust.keys.map(fingerprint).join(" or ")}`;
}

/** Without a log, the key's own signature over the payload is all there is to check. */
async function checkClassic(signature: FoundSignatures["classic"][number], trust: BundleTrust) {
  if (trust.kind === "keys" && trust.log.length === 0) {
    const holds = trust.keys.some((key) => signatureHolds(key, signature.payload, signature.signature));
    return holds ? undefined : "no key of the policy made it";
  }
  if (signature.logEntry === undefined) return "it has no entry of a transparency log";
  const bundle = await parseBundle(
    asBundle(trust.kind === "keys" ? { ...signature, certificate: undefined } : signature, "key"),
  );
  return checkBundle(bundle, signature.payload, trust);
}

async function checkStatement(bytes: Uint8Array, trust: BundleTrust, requirement: SigstoreSigned, image: SignedImage) {
  const bundle = await parseBundle(bytes);
  if (bundle.content.$case !== "dsseEnvelope") return "it holds no statement, so it names no repository";
  const reason = await checkBundle(bundle, undefined, trust);
  if (reason !== undefined) return reason;
  const { payload, payloadType } = bundle.content.dsseEnvelope;
  const reasons = decodeStatement(payload, payloadType).map((claim) => objectionTo(claim, requirement.identity, image));
  return reasons.includes(undefined) ? undefined : (reasons[0] ?? "it is about nothing");
}

async function judgeSigstore(requirement: SigstoreSigned, subject: Case): Promise<Verdict> {
  const { found, image } = subject;
  const trust = trustOf(requirement, subject);
  const objections: Objection[] = [];
  const checks = [
    ...found.classic.map((signature, index) => ({
      name: `cosign signature ${index + 1}`,
      run: async () => {
        const reason = await checkClassic(signature, trust);
        if (reason !== undefined) return reason;
        const claim = decodeClaim(signature.payload, "cosign container image signature", "payload");
        return objectionTo(claim, requirement.identity, image);
      },
    })),
    ...found.bundles.map((bytes, index) => ({
      name: `sigstore bundle ${index + 1}`,
      run: () => checkStatement(bytes, trust, requirement, image),
    })),
  ];
  for (const { name, run } of checks) {
    const reason = await objecting(run);
    if (reason === undefined) return { signer: nameOf(trust) };
    objections.push({ signature: name, reason });
  }
  return { objections };
}

function refusal({ image }: Case, scope: string, kind: string, objections: readonly Objection[]): DowelError {
  const name = `${image.host}/${image.repository}@${image.digest}`;
  if (objections.length === 0) {
    return new DowelError("SIGNATURE_MISSING", `${name}: the policy for ${scope} asks for ${kind}, and there is none`, {
      hint: "Ask the publisher for a signature, or change the policy with remote-modify --verify.",
    });
  }
  const lines = objections.map(({ signature, reason }) => `${signature}: ${reason}`);
  return new DowelError(
    "SIGNATURE_REFUSED",
    `${name}: no ${kind} satisfies the policy for ${scope}:\n${lines.join("\n")}`,
    {
      hint: "If the publisher has a new key, get it from them by another way and set it with remote-modify --verify-key.",
    },
  );
}

/**
 * Holds an image against all requirements of a ruling. Returns who signed it, empty where nobody had to. Throws
 * `POLICY_REFUSED`, `SIGNATURE_MISSING` or `SIGNATURE_REFUSED` with every signature's reason, or `KEY_INVALID`.
 */
export async function judge(ruling: Ruling, subject: Case): Promise<readonly string[]> {
  const signers: string[] = [];
  for (const requirement of ruling.requirements) {
    if (requirement.type === "insecureAcceptAnything") continue;
    if (requirement.type === "reject") {
      const { host, repository } = subject.image;
      throw new DowelError("POLICY_REFUSED", `${host}/${repository}: the policy for ${ruling.scope} lets nothing in`, {
        hint: "Say how images of this place are verified: remote-modify --verify=key|keyless|gpg|none REMOTE.",
      });
    }
    const verdict =
      requirement.type === "signedBy"
        ? await judgeSimple(requirement, subject)
        : await judgeSigstore(requirement, subject);
    if ("objections" in verdict) {
      const kind = requirement.type === "signedBy" ? "GPG signature" : "sigstore signature";
      throw refusal(subject, ruling.scope, kind, verdict.objections);
    }
    signers.push(verdict.signer);
  }
  return signers;
}
