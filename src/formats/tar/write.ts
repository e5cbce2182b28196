// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, DowelError } from "../../base/errors.ts";
import { compareBytes, encodeUtf8 } from "../../base/text.ts";
import { blockSize, paddingSize, type TarEntry, type TarEntryType } from "./entry.ts";
import { octalMaximum, writeOctal } from "./numbers.ts";

const typeFlags: Readonly<Record<TarEntryType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** An entry, and its body unless that is empty. */
export interface TarInput {
  readonly entry: TarEntry;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

/**
 * The header blocks of an entry, POSIX.1-2001: ustar, with a pax extended header before it only where a field does
 * not fit. Equal entries give equal bytes: no names of users, no clock, records in the order of their keys. The path
 * of a directory gets a closing `/`. Throws RangeError for an entry that no archive can hold.
 */
export function encodeHeader(entry: TarEntry): Uint8Array {
  const path = entry.type === "directory" && !entry.path.endsWith("/") ? `${entry.path}/` : entry.path;
  checkEncodable(entry, path);
  const records = new Map<string, Uint8Array>();
  const fields = headerFields(entry, path, records);
  for (const [name, value] of entry.xattrs) {
    // GNU tar's way for a name with `=`, at which a pax key ends
    records.set(`SCHILY.xattr.${name.replaceAll("%", "%25").replaceAll("=", "%3D")}`, value);
  }
  const extension = records.size === 0 ? new Uint8Array(0) : encodeRecords(records);
  const before = extension.length === 0 ? 0 : blockSize + extension.length + paddingSize(extension.length);
  const bytes = new Uint8Array(before + blockSize);
  if (before > 0) {
    const name = `PaxHeaders/${shortName(path).slice(0, 80)}`.replace(/\/+$/, "");
    writeBlock(bytes.subarray(0, blockSize), { name, flag: "x", mode: 0o644, size: extension.length });
    bytes.set(extension, blockSize);
  }
  writeBlock(bytes.subarray(before), fields);
  return bytes;
}

/** What the header block of an entry says; what does not fit goes to `records`, and the block has 0 or a part of it. */
function headerFields(entry: TarEntry, path: string, records: Map<string, Uint8Array>): BlockFields {
  const place = placePath(path);
  if (place === undefined) records.set("path", encodeUtf8(path));
  if (!fitsField(entry.linkName, 100)) records.set("linkpath", encodeUtf8(entry.linkName));
  const { seconds, nanoseconds } = entry.mtime;
  const plainTime = nanoseconds === 0 && seconds >= 0 && seconds <= octalMaximum(12);
  if (!plainTime) records.set("mtime", encodeUtf8(decimalTime(seconds, nanoseconds)));
  return {
    name: place?.name ?? shortName(path),
    prefix: place?.prefix ?? "",
    flag: typeFlags[entry.type],
    mode: entry.mode,
    size: numberField(records, "size", entry.size, 12),
    uid: numberField(records, "uid", entry.uid, 8),
    gid: numberField(records, "gid", entry.gid, 8),
    seconds: plainTime ? seconds : 0,
    linkName: shortName(entry.linkName),
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
  };
}

function checkEncodable(entry: TarEntry, path: string): void {
  const wrong =
    path === "" || path.includes("\0") || entry.linkName.includes("\0")
      ? "a name that is empty or holds NUL"
      : entry.type !== "file" && entry.size !== 0
        ? `a size, but is a ${entry.type}`
        : entry.type === "file" && path.endsWith("/")
          ? 'a name that ends with "/", but is a file'
          : entry.xattrs.has("")
            ? "an attribute without a name"
            : undefined;
  if (wrong !== undefined) throw new RangeError(`The tar entry "${entry.path}" has ${wrong}`);
}

/** Whether a text can stand in a header field: ASCII, because what other bytes mean there is not defined. */
function fitsField(text: string, length: number): boolean {
  return text.length <= length && /^[\x01-\x7f]*$/.test(text);
}

/** Splits a path over the fields name (100 bytes) and prefix (155 bytes), or says that it does not fit. */
function placePath(path: string): { name: string; prefix: string } | undefined {
  if (fitsField(path, 100)) return { name: path, prefix: "" };
  if (!fitsField(path, 256)) return undefined;
  const cut = path.indexOf("/", path.length - 101);
  if (cut < 1 || cut > 155 || cut === path.length - 1) return undefined;
  return { name: path.slice(cut + 1), prefix: path.slice(0, cut) };
}

/** What a reader without pax sees: cut, and never like the name of a directory. */
function shortName(text: string): string {
  if (fitsField(text, 100)) return text;
  return text
    .replace(/[^\x01-\x7f]/g, "_")
    .slice(0, 100)
    .replace(/\/+$/, "");
}

function numberField(records: Map<string, Uint8Array>, key: string, value: number, length: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${key} ${value} must be a whole number from 0`);
  if (value <= octalMaximum(length)) return value;
  records.set(key, encodeUtf8(String(value)));
  return 0;
}

function decimalTime(seconds: number, nanoseconds: number): string {
  const negative = seconds < 0;
  const whole = negative && nanoseconds > 0 ? -(seconds + 1) : Math.abs(seconds);
  const rest = negative && nanoseconds > 0 ? 1_000_000_000 - nanoseconds : nanoseconds;
  const fraction = rest === 0 ? "" : `.${String(rest).padStart(9, "0").replace(/0+$/, "")}`;
  return `${negative ? "-" : ""}${whole}${fraction}`;
}

function encodeRecords(records: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const key of [...records.keys()].sort(compareBytes)) {
    const value = records.get(key) ?? new Uint8Array(0);
    const rest = Buffer.byteLength(key) + value.length + 3;
    let length = rest + String(rest).length;
    length = rest + String(length).length;
    parts.push(encodeUtf8(`${length} ${key}=`), value, encodeUtf8("\n"));
  }
  return Buffer.concat(parts);
}

interface BlockFields {
  readonly name: string;
  readonly flag: string;
  readonly mode: number;
  readonly size: number;
  readonly prefix?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly seconds?: number;
  readonly linkName?: string;
  readonly devMajor?: number;
  readonly devMinor?: number;
}

function writeBlock(block: Uint8Array, fields: BlockFields): void {
  const text = (start: number, value: string): void => {
    for (let index = 0; index < value.length; index++) block[start + index] = value.charCodeAt(index);
  };
  text(0, fields.name);
  writeOctal(block, 100, 8, fields.mode);
  writeOctal(block, 108, 8, fields.uid ?? 0);
  writeOctal(block, 116, 8, fields.gid ?? 0);
  writeOctal(block, 124, 12, fields.size);
  writeOctal(block, 136, 12, fields.seconds ?? 0);
  text(148, "        ");
  text(156, fields.flag);
  text(157, fields.linkName ?? "");
  text(257, "ustar\x0000");
  writeOctal(block, 329, 8, fields.devMajor ?? 0);
  writeOctal(block, 337, 8, fields.devMinor ?? 0);
  text(345, fields.prefix ?? "");
  let sum = 0;
  for (let at = 0; at < blockSize; at++) sum += block[at] ?? 0;
  writeOctal(block, 148, 7, sum);
}

const zeros = new Uint8Array(2 * blockSize);

/** The zero bytes that follow a body of `size` bytes; shared memory, not to be written to. */
export function padding(size: number): Uint8Array {
  return zeros.subarray(0, paddingSize(size));
}

/** The two blocks of zeros that end an archive; shared memory, not to be written to. */
export const archiveEnd: Uint8Array = zeros;

/**
 * Writes an archive. The chunks are as small as the entries are: collect them where each costs a call.
 * Throws IO where a body has another size than its entry says.
 */
export async function* writeTar(
  inputs: Iterable<TarInput> | AsyncIterable<TarInput>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { entry, body } of inputs) {
    checkCancelled(options.signal);
    yield encodeHeader(entry);
    let size = 0;
    for await (const chunk of body instanceof Uint8Array ? [body] : (body ?? [])) {
      size += chunk.length;
      if (size > entry.size) break;
      yield chunk;
    }
    if (size !== entry.size) {
      throw new DowelError("IO", `${entry.path} changed while it was read: it must have ${entry.size} bytes`);
    }
    if (size % blockSize !== 0) yield padding(size);
  }
  yield archiveEnd;
}
