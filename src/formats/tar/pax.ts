// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { TarTime } from "./entry.ts";
import { decodeName, tarInvalid } from "./header.ts";
import { parseDecimal } from "./numbers.ts";

/** What pax extended headers override. */
export interface PaxFields {
  path?: string;
  linkPath?: string;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: TarTime;
  /** A key that says the body is not the file as it is. */
  sparse?: string;
  readonly xattrs: Map<string, Uint8Array>;
}

export function noPaxFields(): PaxFields {
  return { xattrs: new Map() };
}

const newline = 0x0a;
const space = 0x20;
const equals = 0x3d;

/**
 * Reads the records `LENGTH KEY=VALUE\n` of an extended header (POSIX.1-2001 pax) over the fields in `into`; an empty
 * value takes a field back. `offset` is that of the header, for messages. Unknown keys are passed over.
 */
export function parsePax(bytes: Uint8Array, offset: number, into: PaxFields): void {
  for (let at = 0; at < bytes.length; ) {
    const head = bytes.subarray(at, at + 20);
    const digits = head.indexOf(space);
    const length = digits < 1 ? undefined : parseDecimal(String.fromCharCode(...head.subarray(0, digits)));
    const end = at + (length ?? 0);
    const record = bytes.subarray(at + digits + 1, end - 1);
    const split = record.indexOf(equals);
    if (length === undefined || end > bytes.length || bytes[end - 1] !== newline || split < 1) {
      throw tarInvalid(offset, `an extended header must be a list of "LENGTH KEY=VALUE" lines, at byte ${at} of it`);
    }
    const key = decodeName(record.subarray(0, split), offset, "the pax key");
    applyRecord(key, record.subarray(split + 1), offset, into);
    at = end;
  }
}

function applyRecord(key: string, value: Uint8Array, offset: number, into: PaxFields): void {
  if (key.startsWith("GNU.sparse.") || key === "SCHILY.realsize") {
    into.sparse = key;
    return;
  }
  const field = fields.get(key);
  if (key.startsWith("SCHILY.xattr.")) setXattr(decodeStarKey(key.slice(13)), value, offset, into);
  else if (key.startsWith("LIBARCHIVE.xattr.")) setLibarchive(key.slice(17), value, offset, into);
  if (field === undefined) return;
  if (value.length === 0) delete into[field];
  else if (field === "path" || field === "linkPath") into[field] = nameValue(key, value, offset);
  else if (field === "mtime") into.mtime = timeValue(value, offset);
  else into[field] = numberValue(key, value, offset);
}

const fields: ReadonlyMap<string, Exclude<keyof PaxFields, "xattrs" | "sparse">> = new Map([
  ["path", "path"],
  ["linkpath", "linkPath"],
  ["size", "size"],
  ["uid", "uid"],
  ["gid", "gid"],
  ["mtime", "mtime"],
]);

function nameValue(key: string, value: Uint8Array, offset: number): string {
  if (value.includes(0)) throw tarInvalid(offset, `the pax value ${key} must not hold NUL`);
  return decodeName(value, offset, `the pax value ${key}`);
}

function numberValue(key: string, value: Uint8Array, offset: number): number {
  const number = parseDecimal(Buffer.from(value).toString("latin1"));
  if (number === undefined) throw tarInvalid(offset, `the pax value ${key} must be a whole number from 0`);
  return number;
}

function timeValue(value: Uint8Array, offset: number): TarTime {
  const parts = /^(-?)([0-9]{1,15})(?:\.([0-9]{0,64}))?$/.exec(Buffer.from(value).toString("latin1"));
  if (parts === null) throw tarInvalid(offset, "the pax value mtime must be a decimal number");
  const seconds = Number(parts[2]);
  const nanoseconds = Number((parts[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (parts[1] === "") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

/** GNU tar writes `=` and `%` of attribute names so, because a pax key ends at the first `=`. */
function decodeStarKey(name: string): string {
  return name.includes("%") ? name.replaceAll("%3D", "=").replaceAll("%25", "%") : name;
}

function setLibarchive(name: string, value: Uint8Array, offset: number, into: PaxFields): void {
  const text = Buffer.from(value).toString("latin1");
  let decoded: string;
  try {
    decoded = decodeURIComponent(name);
  } catch (cause) {
    throw new DowelError("TAR_INVALID", `tar archive, offset ${offset}: malformed attribute name ${name}`, { cause });
  }
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw tarInvalid(offset, `the attribute ${decoded} must be base64`);
  setXattr(decoded, Buffer.from(text, "base64"), offset, into);
}

function setXattr(name: string, value: Uint8Array, offset: number, into: PaxFields): void {
  if (name === "" || name.includes("\0")) throw tarInvalid(offset, "an extended attribute must have a name");
  if (value.length > limits.xattrValueBytes || Buffer.byteLength(name) > limits.nameBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `tar archive, offset ${offset}: the attribute ${name} is too large`);
  }
  into.xattrs.set(name, new Uint8Array(value));
  if (into.xattrs.size > limits.xattrsPerEntry) {
    const most = limits.xattrsPerEntry;
    throw new DowelError("LIMIT_EXCEEDED", `tar archive, offset ${offset}: more than ${most} attributes on one entry`);
  }
}
