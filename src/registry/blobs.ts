// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { encodeUtf8 } from "../base/text.ts";
import type { Digest } from "../oci/digest.ts";
import { readFileRange } from "../oci/durable.ts";
import { Failure } from "./failure.ts";
import { parseRanges, type Span } from "./ranges.ts";
import { type Context, isHead } from "./request.ts";

const contentType = "application/octet-stream";

/** Sends a blob: whole, one range, or several as multipart/byteranges (RFC 9110 14.6). */
export async function getBlob(context: Context, repository: string, digest: Digest): Promise<Response> {
  const size = await context.store.blobSize(repository, digest);
  if (size === undefined) throw new Failure("BLOB_UNKNOWN", `${repository} has no blob ${digest}`);
  const headers = {
    "docker-content-digest": digest,
    etag: `"${digest}"`,
    "cache-control": "max-age=31536000, immutable",
  };
  if (context.request.headers.get("if-none-match")?.includes(digest) === true) {
    return new Response(null, { status: 304, headers });
  }
  const spans = honoured(context, digest) ? parseRanges(context.request.headers.get("range"), size) : undefined;
  const path = context.store.places.blob(digest);
  const [first, second] = spans ?? [];
  if (spans === undefined) return sendWhole(context, path, size, headers);
  if (first === undefined) {
    const tell = { "content-range": `bytes */${size}` };
    throw new Failure("SIZE_INVALID", `the blob has ${size} bytes`, tell, 416);
  }
  return second === undefined ? sendSpan(context, path, size, first, headers) : sendParts(path, size, spans, headers);
}

/** A range under a condition counts only while the content is the one the client knows. */
function honoured({ request }: Context, digest: Digest): boolean {
  const condition = request.headers.get("if-range");
  return request.method === "GET" && (condition === null || condition === `"${digest}"`);
}

type Headers = Readonly<Record<string, string>>;

function sendWhole(context: Context, path: string, size: number, headers: Headers): Response {
  const all = { ...headers, "content-type": contentType, "accept-ranges": "bytes" };
  if (isHead(context)) return new Response(null, { headers: { ...all, "content-length": String(size) } });
  return new Response(size === 0 ? null : Bun.file(path).slice(0, size), { headers: all });
}

function sendSpan(context: Context, path: string, size: number, { start, end }: Span, headers: Headers): Response {
  const range = { "content-type": contentType, "content-range": `bytes ${start}-${end - 1}/${size}` };
  return new Response(isHead(context) ? null : Bun.file(path).slice(start, end), {
    status: 206,
    headers: { ...headers, ...range },
  });
}

function sendParts(path: string, size: number, spans: readonly Span[], headers: Headers): Response {
  const boundary = randomBytes(12).toString("hex");
  return new Response(partsOf(path, size, spans, boundary), {
    status: 206,
    headers: { ...headers, "content-type": `multipart/byteranges; boundary=${boundary}` },
  });
}

async function* partsOf(
  path: string,
  size: number,
  spans: readonly Span[],
  boundary: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, "r");
  try {
    for (const { start, end } of spans) {
      const head = `content-type: ${contentType}\r\ncontent-range: bytes ${start}-${end - 1}/${size}`;
      yield encodeUtf8(`\r\n--${boundary}\r\n${head}\r\n\r\n`);
      yield* readFileRange(file, start, end - start);
    }
    yield encodeUtf8(`\r\n--${boundary}--\r\n`);
  } finally {
    await file.close();
  }
}

export async function deleteBlob({ store }: Context, repository: string, digest: Digest): Promise<Response> {
  if (await store.unlinkBlob(repository, digest)) return new Response(null, { status: 202 });
  throw new Failure("BLOB_UNKNOWN", `${repository} has no blob ${digest}`);
}
