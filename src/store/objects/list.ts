// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import type { Installation } from "../installation.ts";

/** `images/COMMIT/objects.list`: the objects that an image needs, one a line: digest, space, bytes. */
function objectListPath(installation: Pick<Installation, "images">, commit: string): string {
  return join(installation.images, commit, "objects.list");
}

/** The objects that an image needs. */
export interface ObjectList {
  has(digest: string): boolean;
  /** What `objects.list` says of them. */
  encode(): string;
}

export function objectListOf(sizes: ReadonlyMap<string, number>): ObjectList {
  return {
    has: (digest) => sizes.has(digest),
    encode: () => [...sizes].map(([digest, size]) => encodeObject(digest, size)).join(""),
  };
}

/** A line of `objects.list`. */
export function encodeObject(digest: string, size: number): string {
  return `${digest} ${size}\n`;
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
  everyObject(installation, commit, (digest, size) => {
    visit(digest, size);
    return true;
  });
}

/** Whether something holds for each object that an image needs: the rest of the list is not read once it does not. */
export function everyObject(
  installation: Pick<Installation, "images">,
  commit: string,
  holds: (digest: string, size: number) => boolean,
): boolean {
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
    if (!holds(digest, size)) return false;
    at = end + 1;
  }
  return true;
}

function read(path: string): string {
  try {
    return readPlainFile(path).toString("latin1");
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "read", path);
    throw new DowelError("STORE_INVALID", `${path} is missing`, { hint: "Run: dowel repair", cause: error });
  }
}
