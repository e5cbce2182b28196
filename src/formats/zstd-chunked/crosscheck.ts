// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import type { TarMember } from "../tar/member.ts";
import { readTar } from "../tar/read.ts";
import { invalid } from "./invalid.ts";
import type { TarSplitEntry } from "./tarsplit.ts";
import type { Toc, TocEntry } from "./toc.ts";

/** Stands for bodies, which tar-split data leaves out; never written to. */
const zeros = new Uint8Array(1024 * 1024);

/**
 * Throws ZSTD_CHUNKED_INVALID where the table of contents does not say the same, one entry for each, in the same
 * order, as the headers of the archive: else an image could show one thing to those who read the archive and install
 * another. The bodies are compared by `rebuildTar` and the diff id alone.
 */
export async function checkTocAgainstTarSplit(toc: Toc, entries: AsyncIterable<TarSplitEntry>): Promise<void> {
  try {
    await compare(toc, entries);
  } catch (error) {
    // all of the data came, so it was made like that
    if (isDowelError(error, "TRANSFER_INCOMPLETE")) invalid("tar-split data", error.message);
    throw error;
  }
}

async function compare(toc: Toc, entries: AsyncIterable<TarSplitEntry>): Promise<void> {
  const bodies: { readonly path: string; readonly size: number }[] = [];
  async function* headers(): AsyncGenerator<Uint8Array> {
    for await (const entry of entries) {
      if (entry.kind === "bytes") {
        if (entry.bytes.length > 0) yield entry.bytes;
        continue;
      }
      bodies.push({ path: entry.path, size: entry.size });
      for (let rest = entry.size; rest > 0; rest -= zeros.length) yield zeros.subarray(0, Math.min(rest, zeros.length));
    }
  }
  let index = 0;
  for await (const member of readTar(headers())) {
    const where = `entry ${JSON.stringify(member.path)}`;
    const expected = toc.entries[index];
    if (expected === undefined) invalid(where, "it is in the archive, but not in the table of contents");
    const difference = differenceOf(expected, member);
    if (difference !== undefined) invalid(where, `${difference} must be the same in the archive and in the table`);
    await checkBody(member);
    // what says that the body follows is read before the body, unless that is empty
    const body = bodies[index];
    if (member.size > 0 && (body?.path !== member.path || body.size !== member.size)) {
      invalid(where, "the tar-split data must have its body in its place");
    }
    index++;
  }
  const next = toc.entries[index];
  if (next !== undefined) {
    invalid(`entry ${JSON.stringify(next.path)}`, "it is in the table of contents, but not in the archive");
  }
  const sound = bodies.length === index && bodies.every(({ path, size }, at) => isBodyOf(toc.entries[at], path, size));
  if (!sound) invalid("tar-split data", "there must be a body for each header");
}

function isBodyOf(entry: TocEntry | undefined, path: string, size: number): boolean {
  return entry?.path === path && entry.size === size;
}

/** A body must be what stands for bodies, not bytes that look like headers. */
async function checkBody(member: TarMember): Promise<void> {
  for await (const chunk of member.chunks()) {
    if (chunk.buffer === zeros.buffer) continue;
    invalid(`entry ${JSON.stringify(member.path)}`, "the tar-split data must have its body in its place");
  }
}

function differenceOf(left: TarEntry, right: TarEntry): string | undefined {
  for (const key of ["path", "type", "mode", "uid", "gid", "size", "linkName", "devMajor", "devMinor"] as const) {
    if (left[key] !== right[key]) return key;
  }
  const { seconds, nanoseconds } = right.mtime;
  if (left.mtime.seconds !== seconds || left.mtime.nanoseconds !== nanoseconds) return "mtime";
  return sameXattrs(left.xattrs, right.xattrs) ? undefined : "xattrs";
}

function sameXattrs(left: ReadonlyMap<string, Uint8Array>, right: ReadonlyMap<string, Uint8Array>): boolean {
  if (left.size !== right.size) return false;
  for (const [name, value] of left) {
    const other = right.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}
