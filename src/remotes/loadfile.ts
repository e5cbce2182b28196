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

/** The bytes of a small file that a path, a `file:` address or an `http(s):` address names. */
export async function loadFile(place: string, signal?: AbortSignal): Promise<Uint8Array> {
  if (/^https?:\/\//.test(place)) {
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
