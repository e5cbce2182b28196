// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { digestHex } from "../../oci/digest.ts";
import type { Entry } from "./format.ts";

/** What the tag of an entry says. */
export interface EntryTag {
  readonly tag: string;
  /** Stands for a ref in a repository: 32 hex digits. */
  readonly key: string;
  /** Counts the images that were published under the key, from 1. */
  readonly number: number;
  /** The first 16 hex digits of the image's digest. */
  readonly image: string;
}

const pattern = /^entry\.([0-9a-f]{32})\.([0-9]{10})\.([0-9a-f]{16})$/;

/** Stands in the place of an image where the ref is no longer to be listed; no digest begins so. */
const withdrawn = "0".repeat(16);

/** The greatest number of an entry. */
const lastNumber = 9_999_999_999;

/** Entries of one ref in one repository replace each other; others stand side by side. */
export function keyOf({ repository, labels }: Pick<Entry, "repository" | "labels">): string {
  const text = `${labels.get("org.flatpak.ref") ?? ""}\n${repository}`;
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

export function parseEntryTag(tag: string): EntryTag | undefined {
  const [, key, number, image] = pattern.exec(tag) ?? [];
  if (key === undefined || number === undefined || image === undefined) return undefined;
  return { tag, key, number: Number(number), image };
}

/** A tag that comes after `previous`, the newest one of the same key. */
export function nextEntryTag(entry: Entry, previous: EntryTag | undefined): EntryTag {
  return tagAfter(keyOf(entry), digestHex(entry.digest).slice(0, 16), previous);
}

/** A tag that comes after `previous` and says that what it stood for is no longer listed. */
export function withdrawalTag(key: string, previous: EntryTag | undefined): EntryTag {
  return tagAfter(key, withdrawn, previous);
}

export function isWithdrawal({ image }: EntryTag): boolean {
  return image === withdrawn;
}

function tagAfter(key: string, image: string, previous: EntryTag | undefined): EntryTag {
  const number = Math.min((previous?.number ?? 0) + 1, lastNumber);
  return { tag: `entry.${key}.${String(number).padStart(10, "0")}.${image}`, key, number, image };
}

function isNewer(tag: EntryTag, other: EntryTag | undefined): boolean {
  // Two publishers may take one number at once; all readers must choose the same of them.
  return other === undefined || tag.tag > other.tag;
}

/** The newest tag of every key. Tags that are for something else are passed over. */
export function newestTags(tags: Iterable<string>): Map<string, EntryTag> {
  const newest = new Map<string, EntryTag>();
  for (const text of tags) {
    const tag = parseEntryTag(text);
    if (tag !== undefined && isNewer(tag, newest.get(tag.key))) newest.set(tag.key, tag);
  }
  return newest;
}
