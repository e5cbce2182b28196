// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Repository } from "../oci/client/registry.ts";
import { type Digest, digestHex } from "../oci/digest.ts";
import { encodeClaim } from "../oci/signatures/claim.ts";
import { writeFileDurably } from "../sys/durability.ts";

export interface GpgSigning {
  /** A key as gpg(1) takes it: fingerprint, key id or address. */
  readonly key: string;
  /** Folder with `REPOSITORY@sha256=HEX/signature-N`, as containers-registries.d(5) lays it out. */
  readonly lookaside: string;
}

/** What gpg makes of a payload: a signed message. Its agent asks for a passphrase where the key has one. */
function gpgSign(key: string, payload: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const words = ["--batch", "--no-tty", "--yes", "--local-user", key, "--sign", "--output", "-"];
  return new Promise((resolve, reject) => {
    const child = spawn("gpg", words, { stdio: ["pipe", "pipe", "pipe"], ...(signal === undefined ? {} : { signal }) });
    const parts: Buffer[] = [];
    let said = "";
    child.stdout.on("data", (part: Buffer) => parts.push(part));
    child.stderr.on("data", (part: Buffer) => {
      said = (said + part.toString()).slice(-limits.registryErrorBytes);
    });
    child.on("error", (cause) => {
      const code = errnoOf(cause) === "ENOENT" ? "TOOL_MISSING" : signal?.aborted === true ? "ABORTED" : "KEY_INVALID";
      reject(new DowelError(code, `gpg cannot be run: ${cause.message}`, { cause }));
    });
    child.on("close", (status) => {
      if (status === 0) resolve(Buffer.concat(parts));
      else reject(new DowelError("KEY_INVALID", `gpg does not sign with the key ${key}: ${said.trim()}`));
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(payload);
  });
}

/** The number of the next signature: they are read up to the first that is missing. */
function nextNumber(folder: string): number {
  const names = new Set(readdirSync(folder));
  let number = 1;
  while (names.has(`signature-${number}`)) number += 1;
  return number;
}

/**
 * Signs a pushed manifest by GPG in the form that Flatpak verifies (containers-signature(5)), into a lookaside folder.
 * Throws `KEY_INVALID`, `TOOL_MISSING`, `ABORTED`, or what writing throws.
 */
export async function signByGpg(
  target: Repository,
  { digest, tag }: { readonly digest: Digest; readonly tag: string },
  { key, lookaside }: GpgSigning,
  signal: AbortSignal | undefined,
): Promise<void> {
  // With the tag, as podman(1) wants it who pulls by tag.
  const reference = `${target.transport.base.host}/${target.repository}:${tag}`;
  const claim = encodeClaim({ digest, reference }, "atomic container signature");
  const message = await gpgSign(key, claim, signal);
  const folder = join(lookaside, `${target.repository}@sha256=${digestHex(digest)}`);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileDurably(join(folder, `signature-${nextNumber(folder)}`), message);
  } catch (error) {
    throw fileError(error, "write the signature into", folder);
  }
}
