// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DowelError, fileError } from "../../base/errors.ts";
import { type Digest, digestHex } from "../../oci/digest.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import type { Installation } from "../installation.ts";
import type { LayerEntry } from "./layers.ts";

/**
 * What a layer brought, kept under the digest of its unpacked bytes, which this program computed itself. With it a
 * layer that came once, for this image or another, need not come again. One JSON array a line:
 * `["d",path,mtime]`, `["f",path,mtime,executable,size,digest,base64]`, `["s",path,mtime,target]`, `["h",path,target]`.
 */
type Line = readonly [kind: string, path: string, ...rest: (string | number)[]];

function recordPath(installation: Installation, diffId: Digest): string {
  return join(installation.layers, digestHex(diffId));
}

/**
 * The name of a record in the folder of the one image that it is for: only what that image's manifest vouches for was
 * checked, not the digest of the unpacked layer, so that no other image may use it.
 */
export function ownRecordName(diffId: Digest): string {
  return `record-${digestHex(diffId)}`;
}

/** What a record holds. */
export function encodeRecord(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

export function encodeEntry(entry: LayerEntry): string {
  return JSON.stringify(toLine(entry));
}

function toLine(entry: LayerEntry): Line {
  const path = entry.path.join("/");
  switch (entry.kind) {
    case "folder":
      return ["d", path, entry.mtime];
    case "symlink":
      return ["s", path, entry.mtime, entry.target];
    case "hardlink":
      return ["h", path, entry.target.join("/")];
    case "file": {
      const { size, digest, inline } = entry.content;
      const small = inline === undefined ? "" : Buffer.from(inline).toString("base64");
      return ["f", path, entry.mtime, entry.executable ? 1 : 0, size, digest, small];
    }
  }
}

export function saveRecord(installation: Installation, diffId: Digest, record: string | Uint8Array): void {
  const path = recordPath(installation, diffId);
  try {
    writeFileDurably(path, record);
  } catch (error) {
    throw fileError(error, "write", path);
  }
}

/** Whether a layer came before, for any image. */
export function hasRecord(installation: Installation, diffId: Digest): boolean {
  return existsSync(recordPath(installation, diffId));
}

/**
 * The entries of a layer that came before, for any image or for the one with the folder `image`; undefined where it is
 * not known. Throws `STORE_INVALID`.
 */
export function loadRecord(installation: Installation, diffId: Digest, image?: string): LayerEntry[] | undefined {
  const path = placeOfRecord(installation, diffId, image === undefined ? [] : [image]);
  return path === undefined ? undefined : readRecord(path);
}

/** The entries of the record in a file. Throws `STORE_INVALID`. */
export function readRecord(path: string): LayerEntry[] {
  try {
    return parseRecord(readPlainFile(path), path);
  } catch (cause) {
    throw new DowelError("STORE_INVALID", `${path}: not a record of a layer`, {
      hint: "Delete this file; the layer is then fetched again.",
      cause,
    });
  }
}

/** The record of a layer of one of several images, whose folders are given; undefined where there is none. */
export function placeOfRecord(
  installation: Installation,
  diffId: Digest,
  images: readonly string[],
): string | undefined {
  const own = images.map((image) => join(image, ownRecordName(diffId)));
  return [recordPath(installation, diffId), ...own].find((place) => existsSync(place));
}

/** The entries that the bytes of a record have; `what` names it. Throws `STORE_INVALID`. */
export function parseRecord(record: Uint8Array, what: string): LayerEntry[] {
  const text = Buffer.from(record.buffer, record.byteOffset, record.byteLength).toString("utf8");
  try {
    return (JSON.parse(`[${text.trimEnd().replaceAll("\n", ",")}]`) as Line[]).map(fromLine);
  } catch (cause) {
    throw new DowelError("STORE_INVALID", `${what}: not a record of a layer`, { hint: "Run: dowel repair", cause });
  }
}

/** The entry of one line. Throws where it is none. */
export function parseEntry(line: string): LayerEntry {
  return fromLine(JSON.parse(line) as Line);
}

function fromLine([kind, path, ...rest]: Line): LayerEntry {
  const names = path === "" ? [] : path.split("/");
  const mtime = Number(rest[0]);
  switch (kind) {
    case "d":
      return { kind: "folder", path: names, mtime };
    case "s":
      return { kind: "symlink", path: names, mtime, target: String(rest[1]) };
    case "h":
      return { kind: "hardlink", path: names, target: String(rest[0]).split("/") };
    case "f": {
      const small = String(rest[4]);
      const inline = small === "" ? undefined : new Uint8Array(Buffer.from(small, "base64"));
      const content = { size: Number(rest[2]), digest: String(rest[3]), inline };
      return { kind: "file", path: names, mtime, executable: rest[1] === 1, content };
    }
    default:
      throw new Error(`unknown kind ${kind}`);
  }
}
