// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import type { TarTime } from "../tar/entry.ts";
import { tooLarge } from "./invalid.ts";
import { type JsonReader, KeySet } from "./json.ts";
import { isUnset, parseTime } from "./time.ts";

/** One entry of the table as it stands there. Texts that are not there are "", numbers are 0. */
export interface RawEntry {
  type: string;
  name: string;
  linkName: string;
  mode: number;
  size: number;
  uid: number;
  gid: number;
  mtime: TarTime;
  devMajor: number;
  devMinor: number;
  xattrs: ReadonlyMap<string, Uint8Array>;
  digest: string;
  offset: number;
  endOffset: number;
  chunkSize: number;
  chunkOffset: number;
  chunkDigest: string;
  chunkType: string;
}

const noXattrs: ReadonlyMap<string, Uint8Array> = new Map();

export const noFields: RawEntry = {
  type: "",
  name: "",
  linkName: "",
  mode: 0,
  size: 0,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  devMajor: 0,
  devMinor: 0,
  xattrs: noXattrs,
  digest: "",
  offset: 0,
  endOffset: 0,
  chunkSize: 0,
  chunkOffset: 0,
  chunkDigest: "",
  chunkType: "",
};

export type TextKey = "type" | "name" | "linkName" | "digest" | "chunkDigest" | "chunkType";
export type NumberKey = Exclude<keyof RawEntry, TextKey | "mtime" | "xattrs">;

export const textKeys: ReadonlySet<string> = new Set<TextKey>([
  "type",
  "name",
  "linkName",
  "digest",
  "chunkDigest",
  "chunkType",
]);

/** The greatest value of each number. Types in the mode are what tar archives of some writers have. */
export const numberKeys: ReadonlyMap<string, number> = new Map<NumberKey, number>([
  ["mode", 0o177777],
  ["size", limits.layerBytes],
  ["uid", 0xffff_ffff],
  ["gid", 0xffff_ffff],
  ["devMajor", 0xffff_ffff],
  ["devMinor", 0xffff_ffff],
  ["offset", Number.MAX_SAFE_INTEGER],
  ["endOffset", Number.MAX_SAFE_INTEGER],
  ["chunkSize", limits.layerBytes],
  ["chunkOffset", limits.layerBytes],
]);

const timeKeys: ReadonlySet<string> = new Set(["modtime", "accesstime", "changetime"]);
const entryKeys = new KeySet([...textKeys, ...numberKeys.keys(), ...timeKeys, "xattrs"]);

/** Reads one entry; the times of access and change are checked and then left, because nothing restores them. */
export function readFields(reader: JsonReader): RawEntry {
  const entry: RawEntry = { ...noFields };
  reader.object(entryKeys, (key) => {
    if (reader.isNull()) return;
    const most = numberKeys.get(key);
    if (most !== undefined) {
      const value = reader.integer();
      if (value < 0 || value > most) reader.fail(`${key} must be a whole number from 0 to ${most}`);
      entry[key as NumberKey] = value;
    } else if (textKeys.has(key)) entry[key as TextKey] = reader.string();
    else if (timeKeys.has(key)) {
      const time = parseTime(reader.string()) ?? reader.fail(`${key} must be a time of RFC 3339`);
      if (key === "modtime" && !isUnset(time)) entry.mtime = time;
    } else if (key === "xattrs") entry.xattrs = readXattrs(reader);
    else reader.skip();
  });
  return entry;
}

function readXattrs(reader: JsonReader): ReadonlyMap<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  reader.record((name) => {
    const text = reader.string();
    const value = Buffer.from(text, "base64");
    if (value.toString("base64") !== text) reader.fail("the value of an attribute must be base64");
    if (name === "" || name.includes("\0")) reader.fail("an extended attribute must have a name");
    if (value.length > limits.xattrValueBytes || Buffer.byteLength(name) > limits.nameBytes) {
      tooLarge(`the attribute ${JSON.stringify(name)} with bytes`, value.length, limits.xattrValueBytes);
    }
    xattrs.set(name, new Uint8Array(value));
    if (xattrs.size > limits.xattrsPerEntry) tooLarge("attributes on one entry", xattrs.size, limits.xattrsPerEntry);
  });
  return xattrs;
}
