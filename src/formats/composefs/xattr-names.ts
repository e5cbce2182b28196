// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";
import { xxh32 } from "./xxh32.ts";

/** The name of an xattr as EROFS keeps it: the number of a prefix and the rest, and its bit in the name filter. */
export interface XattrName {
  readonly key: ByteString;
  readonly index: number;
  readonly suffix: ByteString;
  readonly filterBit: number;
}

/** By index; where the name is the whole prefix, the suffix must be empty. */
const prefixes: readonly { readonly index: number; readonly prefix: ByteString; readonly whole: boolean }[] = [
  { index: 1, prefix: "user.", whole: false },
  { index: 2, prefix: "system.posix_acl_access", whole: true },
  { index: 3, prefix: "system.posix_acl_default", whole: true },
  { index: 4, prefix: "trusted.", whole: false },
  { index: 6, prefix: "security.", whole: false },
];

const filterSeed = 0x25bbe08f;

export function isAcl(key: ByteString): boolean {
  return key === "system.posix_acl_access" || key === "system.posix_acl_default";
}

export function splitXattrName(key: ByteString): XattrName {
  const found = prefixes.find(({ prefix, whole }) => (whole ? key === prefix : key.startsWith(prefix)));
  const index = found?.index ?? 0;
  const suffix = key.slice(found?.prefix.length ?? 0);
  return { key, index, suffix, filterBit: xxh32(suffix, filterSeed + index) & 31 };
}

/** The full name; undefined where no such prefix exists. */
export function joinXattrName(index: number, suffix: ByteString): ByteString | undefined {
  if (index === 0) return suffix;
  const found = prefixes.find((entry) => entry.index === index);
  return found === undefined || (found.whole && suffix !== "") ? undefined : found.prefix + suffix;
}
