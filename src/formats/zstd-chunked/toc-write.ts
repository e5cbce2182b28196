// SPDX-License-Identifier: Apache-2.0
import { encodeUtf8 } from "../../base/text.ts";
import { invalid } from "./invalid.ts";
import { formatTime } from "./time.ts";
import { holeType, type Toc, type TocChunk, type TocEntry, typeNames } from "./toc.ts";

/** Writes the JSON of a table of contents; equal tables give equal bytes. */
export function formatToc(toc: Toc): Uint8Array {
  const parts: Uint8Array[] = [encodeUtf8(`{"version":1,"entries":[`)];
  let separator = "";
  for (const entry of toc.entries) {
    for (const object of entryObjects(entry)) {
      parts.push(encodeUtf8(separator + JSON.stringify(object)));
      separator = ",";
    }
  }
  const { tarSplitDigest } = toc;
  const end = tarSplitDigest === undefined ? "" : `,"tarSplitDigest":${JSON.stringify(tarSplitDigest)}`;
  parts.push(encodeUtf8(`]${end}}`));
  return Buffer.concat(parts);
}

/** The entry and its further chunks as the format has them; what is zero or empty is left out. */
function entryObjects(entry: TocEntry): object[] {
  const [first, ...others] = entry.chunks;
  const { path } = entry;
  const several = others.length > 0;
  const main = {
    type: typeNames[entry.type],
    name: path,
    linkName: entry.linkName || undefined,
    mode: entry.mode || undefined,
    size: entry.size || undefined,
    uid: entry.uid || undefined,
    gid: entry.gid || undefined,
    modtime: formatTime(entry.mtime) ?? invalid(`entry ${JSON.stringify(path)}`, "mtime must be in a year up to 9999"),
    devMajor: entry.devMajor || undefined,
    devMinor: entry.devMinor || undefined,
    xattrs: xattrsObject(entry.xattrs),
    digest: entry.digest,
    offset: first?.start,
    endOffset: entry.chunks.at(-1)?.end,
    ...(several && first !== undefined ? chunkFields(first) : {}),
  };
  return [main, ...others.map((chunk) => ({ type: "chunk", name: path, offset: chunk.start, ...chunkFields(chunk) }))];
}

function chunkFields(chunk: TocChunk): object {
  return {
    chunkSize: chunk.size,
    chunkOffset: chunk.offset || undefined,
    chunkDigest: chunk.digest,
    chunkType: chunk.hole ? holeType : undefined,
  };
}

function xattrsObject(xattrs: ReadonlyMap<string, Uint8Array>): object | undefined {
  if (xattrs.size === 0) return undefined;
  const names = [...xattrs.keys()].sort();
  return Object.fromEntries(names.map((name) => [name, Buffer.from(xattrs.get(name) ?? []).toString("base64")]));
}
