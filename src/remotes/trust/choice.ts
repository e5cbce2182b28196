// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { readPublicKey } from "../../oci/signatures/keys.ts";
import { readKeyring } from "../../oci/signatures/openpgp.ts";
import type { Requirement } from "../../oci/signatures/policy.ts";
import { parseLocation } from "../location.ts";
import { type Home, identity, keepKey, rulingOf, scopeOf, setRequirements } from "./policyfile.ts";

export const verifyKinds = ["none", "key", "keyless", "gpg"] as const;
export type VerifyKind = (typeof verifyKinds)[number];

/** How a user wants the images of a remote to be verified; keys and certificates are the contents of files. */
export interface VerifyChoice {
  readonly kind: VerifyKind;
  readonly keys: readonly Uint8Array[];
  /** For keyless ones: who vouches, and for whom. */
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  readonly authority?: Uint8Array | undefined;
  /** Public keys of transparency logs. */
  readonly log: readonly Uint8Array[];
}

function missing(option: string, kind: VerifyKind): never {
  throw new DowelError("USAGE", `--verify=${kind} needs ${option}`);
}

function sources(home: Home, keys: readonly Uint8Array[]) {
  return keys.map((bytes) => ({ kind: "path", path: keepKey(home, bytes) }) as const);
}

/** Checks a choice and keeps its keys in the installation. Throws `USAGE` or `KEY_INVALID`. */
async function requirementOf(home: Home, choice: VerifyChoice): Promise<Requirement> {
  const { kind, keys, issuer, subject, authority, log } = choice;
  for (const bytes of log) readPublicKey(bytes, "--verify-log");
  if (kind === "none") return { type: "insecureAcceptAnything" };
  if (kind === "keyless") {
    if (issuer === undefined) missing("--verify-issuer", kind);
    if (subject === undefined) missing("--verify-subject", kind);
    if (authority === undefined) missing("--verify-authority", kind);
    if (log.length === 0) missing("--verify-log", kind);
    const [root] = sources(home, [authority]);
    if (root === undefined) missing("--verify-authority", kind);
    const keyless = { authority: root, issuer, subject, log: sources(home, log) };
    return { type: "sigstoreSigned", signer: { keyless }, log: [], identity };
  }
  if (keys.length === 0) missing("--verify-key", kind);
  if (kind === "gpg") {
    for (const bytes of keys) await readKeyring(bytes, "--verify-key");
    return { type: "signedBy", keys: sources(home, keys), identity };
  }
  for (const bytes of keys) readPublicKey(bytes, "--verify-key");
  return { type: "sigstoreSigned", signer: { keys: sources(home, keys) }, log: sources(home, log), identity };
}

/** Whether nothing lets images of a location in because nobody has said anything about it. */
export function isUndecided(home: Home, url: string): boolean {
  const location = parseLocation(url);
  if (!("host" in location)) return false;
  const repository = location.kind === "image" ? location.repository : location.namespace;
  const { named, requirements } = rulingOf(home, location.host, repository);
  return !named && requirements.some(({ type }) => type === "reject");
}

/**
 * Throws `POLICY_REFUSED` where nobody said how the images of a location are verified and the policy therefore lets none
 * in, as it is with the system's installations.
 */
export function checkVerificationChosen(home: Home, url: string): void {
  if (!isUndecided(home, url)) return;
  throw new DowelError(
    "POLICY_REFUSED",
    `${url}: nothing says how its images are verified, and all users would run them`,
    {
      hint: "Add --verify=key --verify-key=FILE, --verify=gpg, --verify=keyless, or --verify=none to take them as they are.",
    },
  );
}

/**
 * Lets in the images of one place that the user named for an install, where no policy names it: who names the place and
 * agrees to the install trusts it, for its updates too. Answers whether that changed anything.
 */
export async function trustOnFirstUse(home: Home, url: string, signal?: AbortSignal): Promise<boolean> {
  const scope = scopeOf(url);
  if (scope === undefined || !isUndecided(home, url)) return false;
  await setRequirements(home, scope, [{ type: "insecureAcceptAnything" }], signal);
  return true;
}

/**
 * Asks for signatures by the keyring that came with a remote's file. Where the policy asks for signatures of that place
 * already, or lets nothing in, it stays: a file must not put its key in the place of another. Answers whether that
 * changed anything. Throws `KEY_INVALID`, and `UNSUPPORTED` for images in a file or folder.
 */
export async function adoptKey(home: Home, url: string, key: Uint8Array, signal?: AbortSignal): Promise<boolean> {
  const location = parseLocation(url);
  if ("host" in location) {
    const repository = location.kind === "image" ? location.repository : location.namespace;
    const { named, requirements } = rulingOf(home, location.host, repository);
    if (named && requirements.some(({ type }) => type !== "insecureAcceptAnything")) return false;
  }
  await chooseVerification(home, url, { kind: "gpg", keys: [key], log: [] }, signal);
  return true;
}

/** Takes back what `trustOnFirstUse` or `adoptKey` changed. */
export async function withdrawTrust(home: Home, url: string): Promise<void> {
  const scope = scopeOf(url);
  if (scope !== undefined) await setRequirements(home, scope, undefined);
}

/** Sets how the images of a remote's location are verified from now on. */
export async function chooseVerification(
  home: Home,
  url: string,
  choice: VerifyChoice,
  signal?: AbortSignal,
): Promise<void> {
  const scope = scopeOf(url);
  if (scope !== undefined) return setRequirements(home, scope, [await requirementOf(home, choice)], signal);
  if (choice.kind === "none") return;
  throw new DowelError("UNSUPPORTED", `${url}: images in a file or folder carry no signatures; only a registry's do`);
}
