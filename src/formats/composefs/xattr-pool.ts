// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";
import { escapedOverlayPrefix, metacopyHeader, overlayPrefix, xattrMetacopy, xattrRedirect } from "./constants.ts";
import type { ExternalFile } from "./model.ts";
import type { XattrPair } from "./node.ts";
import { splitXattrName, type XattrName } from "./xattr-names.ts";

type Xattrs = ReadonlyMap<ByteString, ByteString>;

interface Values {
  readonly name: XattrName;
  readonly pairs: Map<ByteString, XattrPair>;
}

// Text is made of this at once: joined strings would have to be copied again for the lookup.
const metacopy = Buffer.from(metacopyHeader + "\0".repeat(32), "latin1");

/** The xattrs of all inodes, each name and each pair of name and value kept once, with the number of its uses. */
export class XattrPool {
  readonly #values = new Map<ByteString, Values>();
  readonly #metacopies = this.#valuesOf(xattrMetacopy);
  readonly #redirects = this.#valuesOf(xattrRedirect);
  /** Every distinct pair. */
  readonly pairs: XattrPair[] = [];

  /** The pairs of an inode, by name in byte order. */
  add(xattrs: Xattrs): readonly XattrPair[] {
    if (xattrs.size === 0) return [];
    const pairs: XattrPair[] = [];
    for (const key of [...xattrs.keys()].sort()) pairs.push(this.#pair(this.#valuesOf(key), xattrs.get(key) ?? ""));
    return pairs;
  }

  /** As `add`, of a file with an object: with the xattrs that lead overlayfs to the object. */
  addObject(file: ExternalFile): readonly XattrPair[] {
    if (file.digest !== undefined) metacopy.set(file.digest, metacopyHeader.length);
    const seal = this.#pair(this.#metacopies, file.digest === undefined ? "" : metacopy.toString("latin1"));
    const own = [seal];
    if (file.payload !== undefined) own.push(this.#pair(this.#redirects, `/${file.payload}`));
    if (file.xattrs.size === 0) return own;
    return [...own, ...this.add(escapeOverlayNames(file.xattrs))].sort(byKey);
  }

  #valuesOf(key: ByteString): Values {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const values: Values = { name: splitXattrName(key), pairs: new Map() };
    this.#values.set(key, values);
    return values;
  }

  #pair({ name, pairs }: Values, value: ByteString): XattrPair {
    let pair = pairs.get(value);
    if (pair === undefined) {
      const bytes = (4 + name.suffix.length + value.length + 3) & ~3;
      pair = { name, value, bytes, uses: 0, sharedOffset: -1 };
      pairs.set(value, pair);
      this.pairs.push(pair);
    }
    pair.uses++;
    return pair;
  }
}

function byKey(left: XattrPair, right: XattrPair): number {
  return left.name.key < right.name.key ? -1 : 1;
}

/** Gives the names that overlayfs would act on the form in which it shows them under their own names. */
export function escapeOverlayNames(xattrs: Xattrs): Xattrs {
  if (xattrs.size === 0) return xattrs;
  const result = new Map<ByteString, ByteString>();
  for (const [key, value] of xattrs) {
    const hidden = key.startsWith(overlayPrefix);
    result.set(hidden ? escapedOverlayPrefix + key.slice(overlayPrefix.length) : key, value);
  }
  return result;
}
