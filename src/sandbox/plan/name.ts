// SPDX-License-Identifier: Apache-2.0

const offsetBasis = 0xcbf29ce484222325n;
const prime = 0x100000001b3n;

/**
 * The file name under which a plan for these key words lies in the cache: FNV-1a with 64 bits over the words, each
 * followed by NUL, as 16 hexadecimal digits. Only a name: the launcher compares the words themselves too.
 */
export function planCacheName(key: readonly string[]): string {
  let hash = offsetBasis;
  for (const byte of Buffer.from(key.map((word) => `${word}\0`).join(""))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * prime);
  }
  return hash.toString(16).padStart(16, "0");
}
