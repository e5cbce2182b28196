// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../base/errors.ts";
import { type VerifyChoice, type VerifyKind, verifyKinds } from "../remotes/trust/choice.ts";
import { textFlag, textsFlag } from "./flags.ts";

/** Options that say how the images of a remote are verified. */
export interface VerifyFlags {
  readonly verify?: VerifyKind;
  readonly verifyKey?: readonly string[];
  readonly verifyIssuer?: string;
  readonly verifySubject?: string;
  readonly verifyAuthority?: string;
  readonly verifyLog?: readonly string[];
  readonly gpgImport?: readonly string[];
  readonly noGpgVerify?: boolean;
}

export const verifyFlags = {
  verify: {
    kind: "enum",
    values: verifyKinds,
    brief: "How its images are verified: by key, by identity (keyless), by GPG, or not at all",
    optional: true,
  },
  verifyKey: textsFlag("Public key in PEM, or GPG keyring", "FILE"),
  verifyIssuer: textFlag("Who vouches for the signer, for keyless signatures", "URL"),
  verifySubject: textFlag("The signer's mail address or URI, for keyless signatures", "NAME"),
  verifyAuthority: textFlag("Certificates of the authority in PEM, for keyless signatures", "FILE"),
  verifyLog: textsFlag("Public key of a transparency log in PEM", "FILE"),
  gpgImport: textsFlag("GPG keyring; as --verify=gpg --verify-key=FILE", "FILE"),
} as const;

/** The setting of a remote that goes with a choice. */
export function gpgSetting(choice: VerifyChoice | undefined): { readonly gpgVerify?: boolean } {
  return choice === undefined ? {} : { gpgVerify: choice.kind === "gpg" };
}

/** The bytes of a file with a key. */
export function readKey(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/** What was chosen; undefined where nothing was said. */
export function verifyChoice(flags: VerifyFlags): VerifyChoice | undefined {
  const { verifyKey = [], gpgImport = [], verifyLog = [], verifyIssuer, verifySubject, verifyAuthority } = flags;
  const implied = gpgImport.length > 0 ? "gpg" : flags.noGpgVerify === true ? "none" : undefined;
  const kind = flags.verify ?? implied;
  const details = [...verifyKey, ...verifyLog, verifyIssuer, verifySubject, verifyAuthority];
  if (kind === undefined) {
    if (details.every((value) => value === undefined)) return undefined;
    throw new DowelError("USAGE", `Say how images are verified: --verify=${verifyKinds.join("|")}`);
  }
  return {
    kind,
    keys: [...verifyKey, ...gpgImport].map(readKey),
    issuer: verifyIssuer,
    subject: verifySubject,
    authority: verifyAuthority === undefined ? undefined : readKey(verifyAuthority),
    log: verifyLog.map(readKey),
  };
}
