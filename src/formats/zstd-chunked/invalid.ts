// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/** Refuses a layer; `where` names the entry, key or offset. */
export function invalid(where: string, expected: string): never {
  throw new DowelError("ZSTD_CHUNKED_INVALID", `zstd:chunked layer, ${where}: ${expected}`);
}

export function tooLarge(what: string, value: number, most: number): never {
  throw new DowelError("LIMIT_EXCEEDED", `zstd:chunked layer: ${what} of ${value}; at most ${most} are allowed`);
}
