// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Content } from "./types.ts";

const chunkBytes = 1024 * 1024;

/** The bytes of a content that is small enough for memory. */
export function readContent(content: Content): Uint8Array {
  if (content.kind === "bytes") return content.bytes;
  const bytes = Buffer.allocUnsafe(content.size);
  // Many contents lie in one archive, which is far too large to be read for each.
  const fd = openSync(content.path, "r");
  try {
    let at = 0;
    while (at < bytes.length) {
      const count = readSync(fd, bytes, at, bytes.length - at, content.offset + at);
      if (count === 0) break;
      at += count;
    }
    return bytes.subarray(0, at);
  } finally {
    closeSync(fd);
  }
}

/** The bytes of a content, chunk by chunk; all in `lent` where that is given, each until the next is asked for. */
export async function* streamContent(content: Content, lent?: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  if (content.kind === "bytes") {
    yield content.bytes;
    return;
  }
  await using file = await open(content.path, "r");
  let at = content.offset;
  const end = content.offset + content.size;
  while (at < end) {
    const room = lent ?? Buffer.allocUnsafe(Math.min(chunkBytes, end - at));
    const { bytesRead, buffer } = await file.read(room, 0, Math.min(room.length, end - at), at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
