// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import type { Installation } from "../installation.ts";

/** `images/COMMIT/objects.list`: the objects that an image needs, one a line: digest, space, bytes. */
function objectListPath(installation: Pick<Installation, "images">, commit: string): string {
  return join(installation.images, commit, "objects.list");
}

export function encodeObjectList(sizes: ReadonlyMap<string, number>): string {
  return [...sizes].map(([digest, size]) => `${digest} ${size}\n`).join("");
}

/**
 * Visits the objects that an image needs, in no order, each once; nothing is kept for each. Throws `STORE_INVALID` for a
 * list that is missing or malformed.
 */
export function visitObjects(
  installation: Pick<Installation, "images">,
  commit: string,
  visit: (digest: string, size: number) => void,
): void {
  const path = objectListPath(installation, commit);
  const text = read(path);
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const digest = text.slice(at, at + 64);
    const size = Number(text.slice(at + 65, end));
    if (end < 0 || text[at + 64] !== " " || !/^[0-9a-f]{64}$/.test(digest) || !Number.isSafeInteger(size)) {
      throw new DowelError("STORE_INVALID", `${path}: offset ${at}: expected a digest and a size`, {
        hint: "Run: dowel repair",
      });
    }
    visit(digest, size);
    at = end + 1;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "read", path);
    throw new DowelError("STORE_INVALID", `${path} is missing`, { hint: "Run: dowel repair", cause: error });
  }
}
