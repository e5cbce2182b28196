// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { DowelError, fileError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { readBody } from "../oci/client/answer.ts";
import { Transport } from "../oci/client/transport.ts";

async function download(address: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const url = new URL(address);
  const transport = new Transport(new URL("/", url).href);
  const answer = await transport.request({ method: "GET", url, scopes: [], expect: [200], signal });
  return readBody(answer, limits.keyfileBytes);
}

function pathOf(place: string): string {
  if (!place.startsWith("file:")) return place;
  try {
    return fileURLToPath(place);
  } catch (cause) {
    throw new DowelError("USAGE", `"${place}" is no address of a file on this machine`, { cause });
  }
}

const isAddress = (place: string): boolean => /^https?:\/\//.test(place);

/**
 * Throws `NOT_PERMITTED` where a file that came from the network names a folder or a file of this machine as the place of
 * its images: only who can write here may say so.
 */
export function refuseLocalImages(place: string, url: string | undefined): void {
  if (!isAddress(place) || url === undefined || !/^oci(?:-archive)?:/.test(url)) return;
  throw new DowelError(
    "NOT_PERMITTED",
    `${place}: a file from the network may not name images of this machine: ${url}`,
    {
      hint: "Look at the file; where you trust it, download it and give its path.",
    },
  );
}

/** The bytes of a small file that a path, a `file:` address or an `http(s):` address names. */
export async function loadFile(place: string, signal?: AbortSignal): Promise<Uint8Array> {
  if (isAddress(place)) {
    if (!URL.canParse(place)) throw new DowelError("USAGE", `"${place}" is no valid address`);
    return download(place, signal);
  }
  const path = pathOf(place);
  try {
    return await readFile(path, { signal });
  } catch (error) {
    throw fileError(error, "read", path);
  }
}
