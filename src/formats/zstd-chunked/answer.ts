// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { InputReader } from "./input.ts";

/** The head of the answer to a request for ranges. */
export interface RangeAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly contentRange: string | undefined;
}

/** Bytes of the blob and where in it they are. */
export interface BlobPart {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const maxLineBytes = 8192;
const maxHeaderLines = 64;

/**
 * Reads what a server answers to a request for ranges of a blob of `blobSize` bytes: one range, several as
 * multipart/byteranges (RFC 9110, 14.6), or all of it. The parts come in ascending order and never overlap; whether
 * they are those that were asked for is for the caller to see. Throws REGISTRY_RESPONSE or TRANSFER_INCOMPLETE.
 */
export async function* readRangeAnswer(
  answer: RangeAnswer,
  body: AsyncIterable<Uint8Array>,
  blobSize: number,
): AsyncGenerator<BlobPart, void, undefined> {
  const reader = new InputReader(body, "answer to a request for ranges");
  try {
    if (answer.status === 200) yield* content(reader, 0, blobSize);
    else if (answer.status !== 206) fail(`the status must be 200 or 206, not ${answer.status}`);
    else if (isMultipart(answer.contentType)) {
      yield* multipart(reader, boundaryOf(answer.contentType ?? ""), blobSize);
      return;
    } else {
      const { start, end } = parseContentRange(answer.contentRange ?? "", blobSize);
      yield* content(reader, start, end);
    }
    if ((await reader.some(1)) !== undefined) fail("it must end after the bytes that it announces");
  } finally {
    await reader.close();
  }
}

function fail(expected: string): never {
  throw new DowelError("REGISTRY_RESPONSE", `answer to a request for ranges: ${expected}`);
}

async function* content(reader: InputReader, start: number, end: number): AsyncGenerator<BlobPart> {
  for (let offset = start; offset < end; ) {
    const bytes = await reader.some(end - offset);
    if (bytes === undefined) reader.cutShort();
    yield { offset, bytes };
    offset += bytes.length;
  }
}

function isMultipart(contentType: string | undefined): boolean {
  return /^\s*multipart\/byteranges\s*;/i.test(contentType ?? "");
}

/** The boundary; some servers leave out the quotes although it has characters that need them. */
function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary\s*=\s*(?:"([^"]*)"|([^;"]*))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain?.trim() ?? "";
  if (!/^[\x20-\x7e]{0,69}[\x21-\x7e]$/.test(boundary)) fail("the boundary must be 1 to 70 printable characters");
  return boundary;
}

async function* multipart(reader: InputReader, boundary: string, blobSize: number): AsyncGenerator<BlobPart> {
  let after = 0;
  let parts = 0;
  for (;;) {
    const line = await nextBoundary(reader, boundary, parts === 0);
    if (line === `--${boundary}--`) break;
    if (++parts > limits.httpRanges) fail(`there must be at most ${limits.httpRanges} parts`);
    const { start, end } = parseContentRange(await partRange(reader), blobSize);
    if (start < after) fail("the parts must be in ascending order and not overlap");
    yield* content(reader, start, end);
    after = end;
  }
  if (parts === 0) fail("there must be a part");
}

/** The next line with the boundary. Only before the first may be other lines. */
async function nextBoundary(reader: InputReader, boundary: string, first: boolean): Promise<string> {
  for (let lines = 0; lines < maxHeaderLines; lines++) {
    const line = (await reader.line(maxLineBytes)).trimEnd();
    if (line === `--${boundary}` || line === `--${boundary}--`) return line;
    if (line !== "" && !first) break;
  }
  return fail("a boundary must follow");
}

async function partRange(reader: InputReader): Promise<string> {
  let range: string | undefined;
  for (let lines = 0; lines < maxHeaderLines; lines++) {
    const line = await reader.line(maxLineBytes);
    if (line === "") return range ?? fail("a part must have a Content-Range");
    const value = /^content-range\s*:(.*)$/i.exec(line)?.[1];
    if (value !== undefined && range !== undefined) fail("a part must have one Content-Range");
    range ??= value;
  }
  return fail("the headers of a part must end");
}

function parseContentRange(text: string, blobSize: number): { start: number; end: number } {
  const [, first, last, total] = /^\s*bytes\s+(\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)\s*$/i.exec(text) ?? [];
  const start = Number(first);
  const end = Number(last) + 1;
  const isSound = first !== undefined && start < end && end <= blobSize;
  if (!isSound || (total !== "*" && Number(total) !== blobSize)) {
    fail(`Content-Range ${JSON.stringify(text)} must be a range of ${blobSize} bytes`);
  }
  return { start, end };
}
