// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { digestOfFile } from "../repair/objects.ts";

/** Objects that one thread looks at in one go. */
export interface Share {
  /** `objects/` of the installation. */
  readonly folder: string;
  /** fs-verity digests, hex. */
  readonly digests: readonly string[];
}

/** An object that is not what its name says. */
export interface WrongObject {
  readonly digest: string;
  readonly path: string;
  readonly what: "missing" | "damaged";
}

const buffer = Buffer.alloc(1 << 20);

/** Reads every byte of the objects of a share. */
export function wrongOf({ folder, digests }: Share): readonly WrongObject[] {
  return digests.flatMap((digest) => {
    const path = join(folder, digest.slice(0, 2), digest.slice(2));
    if (digestOfFile(path, buffer) === digest) return [];
    return [{ digest, path, what: existsSync(path) ? "damaged" : "missing" } as const];
  });
}
