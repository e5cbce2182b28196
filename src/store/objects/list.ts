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
  encode(): string | Uint8Array;
}

export function objectListOf(sizes: ReadonlyMap<string, number>): ObjectList {
  return {
    has: (digest) => sizes.has(digest),
    encode: () => [...sizes].map(([digest, size]) => encodeObject(digest, size)).join(""),
  };
}

const digestDigits = 64;
/** With the most digits that a size can have, the space and the end of the line. */
const mostLineBytes = digestDigits + 1 + 16 + 1;

/** As `encodeObject` for many: `write` puts the 64 digits of the digest of one to a place. For at most `most` of them. */
export class ObjectLines {
  readonly #bytes: Buffer;
  #used = 0;

  constructor(most: number) {
    this.#bytes = Buffer.allocUnsafe(most * mostLineBytes);
  }

  add(size: number, write: (bytes: Buffer, at: number) => void): void {
    const bytes = this.#bytes;
    write(bytes, this.#used);
    let at = this.#used + digestDigits;
    bytes[at++] = 0x20;
    let digits = 1;
    for (let rest = size; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    for (let rest = size, place = at + digits - 1; place >= at; place--, rest = Math.floor(rest / 10)) {
      bytes[place] = 0x30 + (rest % 10);
    }
    bytes[at + digits] = 0x0a;
    this.#used = at + digits + 1;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }
}

/** A line of `objects.list`. */
function encodeObject(digest: string, size: number): string {
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
