// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type Digest, digestHex } from "../digest.ts";
import { collect } from "../verify.ts";

/** `BASE/REPOSITORY@sha256=HEX/signature-N`, as containers-registries.d(5) lays them out. */
function lookasideUrl(base: string, repository: string, digest: Digest, number: number): URL {
  const folder = base.endsWith("/") ? base : `${base}/`;
  return new URL(`${repository}@sha256=${digestHex(digest)}/signature-${number}`, folder);
}

async function readLocal(url: URL): Promise<Uint8Array | undefined> {
  const path = fileURLToPath(url);
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw fileError(error, "read the signature", path);
  }
}

async function readRemote(url: URL, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  let response: Response;
  try {
    response = await fetch(url, { redirect: "error", ...(signal === undefined ? {} : { signal }) });
  } catch (cause) {
    throw new DowelError("REGISTRY_UNREACHABLE", `${url.href}: the signatures cannot be fetched`, { cause });
  }
  if (response.status === 404) {
    await response.body?.cancel();
    return undefined;
  }
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new DowelError("REGISTRY_RESPONSE", `${url.href}: status ${response.status}, expected 200 or 404`);
  }
  return collect(response.body, limits.signatureBytes, url.href);
}

/** GPG signatures of a manifest from a lookaside (`file:`, `http:` or `https:`), up to the first number that is missing. */
export async function findSimple(
  base: string,
  repository: string,
  digest: Digest,
  signal?: AbortSignal,
): Promise<readonly Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (let number = 1; number <= limits.signaturesPerImage; number++) {
    const url = lookasideUrl(base, repository, digest, number);
    const signature = url.protocol === "file:" ? await readLocal(url) : await readRemote(url, signal);
    if (signature === undefined) break;
    if (signature.byteLength > limits.signatureBytes) {
      throw new DowelError("LIMIT_EXCEEDED", `${url.href}: more than the ${limits.signatureBytes} bytes allowed`);
    }
    found.push(signature);
  }
  return found;
}
