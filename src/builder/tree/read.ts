// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Content } from "./types.ts";

const chunkBytes = 1024 * 1024;

/** The bytes of a content that is small enough for memory. */
export function readContent(content: Content): Uint8Array {
  if (content.kind === "bytes") return content.bytes;
  return readFileSync(content.path).subarray(content.offset, content.offset + content.size);
}

/** The bytes of a content, chunk by chunk. */
export async function* streamContent(content: Content): AsyncGenerator<Uint8Array, void, undefined> {
  if (content.kind === "bytes") {
    yield content.bytes;
    return;
  }
  await using file = await open(content.path, "r");
  let at = content.offset;
  const end = content.offset + content.size;
  while (at < end) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(chunkBytes, end - at)), 0, undefined, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
