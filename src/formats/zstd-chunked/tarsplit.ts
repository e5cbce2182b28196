// SPDX-License-Identifier: Apache-2.0

import { limits } from "../../base/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../../base/text.ts";
import { invalid, tooLarge } from "./invalid.ts";
import { JsonReader, KeySet } from "./json.ts";

/** What tar-split data says, in the order of the archive. */
export type TarSplitEntry =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | {
      readonly kind: "body";
      /** As the header has it. */
      readonly path: string;
      readonly size: number;
      /** CRC-64 of the body, 8 bytes; undefined where that is empty. */
      readonly crc: Uint8Array | undefined;
    };

/** One line of tar-split data; `position` counts the entries. */
export function formatTarSplit(entry: TarSplitEntry, position: number): Uint8Array {
  if (entry.kind === "bytes") {
    return encodeUtf8(`{"type":2,"payload":"${toBase64(entry.bytes)}","position":${position}}\n`);
  }
  const size = entry.size === 0 ? "" : `"size":${entry.size},`;
  const crc = entry.crc === undefined ? "null" : `"${toBase64(entry.crc)}"`;
  return encodeUtf8(`{"type":1,"name":${JSON.stringify(entry.path)},${size}"payload":${crc},"position":${position}}\n`);
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

const keys = new KeySet(["type", "name", "name_raw", "size", "payload", "position"]);
/** The longest line: an extended header of the greatest size, or as much padding, in base64. */
const maxLineBytes = 4 * 1024 * 1024;

/**
 * Reads unpacked tar-split data as it comes: JSON, one entry on a line. Throws ZSTD_CHUNKED_INVALID naming the entry,
 * or LIMIT_EXCEEDED.
 */
export async function* parseTarSplit(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<TarSplitEntry, void, undefined> {
  let position = 0;
  for await (const line of lines(stream)) {
    if (position >= 3 * limits.imageEntries) tooLarge("tar-split entries", position, 3 * limits.imageEntries);
    yield parseLine(line, position++);
  }
}

async function* lines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of stream) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, at)) {
      if (end > at) yield bytes.subarray(at, end);
      at = end + 1;
    }
    rest = bytes.subarray(at);
    if (rest.length > maxLineBytes) tooLarge("a line of tar-split data", rest.length, maxLineBytes);
  }
  if (rest.length > 0) yield rest;
}

function parseLine(line: Uint8Array, position: number): TarSplitEntry {
  const where = `tar-split entry ${position}`;
  const reader = new JsonReader(line, where);
  let type = 0;
  let path = "";
  let size = 0;
  let payload: Uint8Array | undefined;
  let stated: number | undefined;
  reader.object(keys, (key) => {
    if (key === "type") type = reader.integer();
    else if (key === "size") size = reader.integer();
    else if (key === "position") stated = reader.integer();
    else if (reader.isNull()) return;
    else if (key === "name") path = reader.string();
    else if (key === "name_raw") path = decodeUtf8(readBase64(reader)) ?? reader.fail("a name must be UTF-8");
    else if (key === "payload") payload = readBase64(reader);
    else reader.skip();
  });
  reader.end();
  if (stated !== position) invalid(where, `the position must be ${position}`);
  if (type === 2) return { kind: "bytes", bytes: payload ?? new Uint8Array(0) };
  if (type !== 1) invalid(where, "the type must be 1 or 2");
  if (size < 0 || size > limits.layerBytes) invalid(where, "the size must be that of a file");
  if (size > 0 && payload?.length !== 8) invalid(where, "the payload of a file must be the 8 bytes of its CRC-64");
  return { kind: "body", path, size, crc: size === 0 ? undefined : payload };
}

function readBase64(reader: JsonReader): Uint8Array {
  const text = reader.string();
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== (text.length / 4) * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0)) {
    reader.fail("there must be base64");
  }
  return bytes;
}
