// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, DowelError, isDowelError } from "../../base/errors.ts";
import { type BlobPart, readRangeAnswer } from "../../formats/zstd-chunked/answer.ts";
import { formatRanges } from "../../formats/zstd-chunked/plan.ts";
import type { Descriptor } from "../descriptor.ts";
import type { BlobSpan } from "../source.ts";
import { type Answer, discard } from "./answer.ts";
import { watchedBody } from "./blobs.ts";
import type { Transport } from "./transport.ts";

interface SpansRequest {
  readonly repository: string;
  readonly descriptor: Pick<Descriptor, "digest" | "size">;
  /** Ascending and apart. */
  readonly spans: readonly BlobSpan[];
  readonly signal?: AbortSignal | undefined;
}

/** Many servers take header lines of 8 KiB at most; a range of a large blob has up to 24 characters. */
const spansPerRequest = 256;
/** Where each span needs a request, those with at most so many bytes between them share one. */
const singleGap = 256 * 1024;
const refusals = [400, 413, 414, 416, 431];

/**
 * Spans of a blob, in order. Servers that refuse many ranges at once get fewer; those that then answer with the whole
 * blob get one range in each request. A transfer that breaks off goes on where it ended, as often as bytes keep coming.
 * Throws `REGISTRY_REFUSED` where the server knows no ranges at all.
 */
export async function* streamSpans(
  transport: Transport,
  request: SpansRequest,
): AsyncGenerator<BlobPart, void, undefined> {
  let left = request.spans.map(({ start, end }) => ({ start, end }));
  let most = spansPerRequest;
  for (let failures = 0; left.length > 0; ) {
    const batch = left.slice(0, most);
    const answer = await ask(transport, request, batch);
    const { status } = answer.response;
    if (status !== 206) {
      await discard(answer);
      if (batch.length === 1) throw noRanges(answer);
      most = status === 200 ? 1 : Math.ceil(batch.length / 2);
      if (status === 200) left = joined(left);
      continue;
    }
    const before = left[0]?.start;
    try {
      yield* wantedParts(transport, request, answer, left, batch.length);
      failures = 0;
    } catch (error) {
      checkCancelled(request.signal);
      if (!isDowelError(error, "TRANSFER_INCOMPLETE")) throw error;
      failures = left[0]?.start !== before ? 1 : failures + 1;
      if (failures >= transport.attempts) throw error;
      await transport.pause(failures, request.signal);
    }
  }
}

function noRanges(answer: Answer): DowelError {
  const { status } = answer.response;
  return new DowelError("REGISTRY_REFUSED", `${answer.what}: does not send parts of a blob (status ${status})`);
}

function joined(spans: readonly BlobSpan[]): { start: number; end: number }[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of spans) {
    const last = result.at(-1);
    if (last !== undefined && start - last.end <= singleGap) last.end = end;
    else result.push({ start, end });
  }
  return result;
}

async function ask(transport: Transport, request: SpansRequest, spans: readonly BlobSpan[]): Promise<Answer> {
  return transport.request({
    method: "GET",
    url: `v2/${request.repository}/blobs/${request.descriptor.digest}`,
    headers: { range: formatRanges(spans) },
    scopes: [`repository:${request.repository}:pull`],
    expect: [200, 206, ...refusals],
    signal: request.signal,
  });
}

/** What comes of the first `count` spans; `left` loses what has come. */
async function* wantedParts(
  transport: Transport,
  request: SpansRequest,
  answer: Answer,
  left: { start: number; end: number }[],
  count: number,
): AsyncGenerator<BlobPart> {
  const { headers, status } = answer.response;
  const head = {
    status,
    contentType: headers.get("content-type") ?? undefined,
    contentRange: headers.get("content-range") ?? undefined,
  };
  const done = left.length - count;
  const body = watchedBody(transport, answer, request.signal);
  for await (const { offset, bytes } of readRangeAnswer(head, body, request.descriptor.size)) {
    for (let span = left[0]; span !== undefined && left.length > done; span = left[0]) {
      if (span.start >= offset + bytes.length) break;
      if (span.start < offset) {
        throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: byte ${span.start} is missing in the answer`);
      }
      const part = bytes.subarray(span.start - offset, span.end - offset);
      const start = span.start;
      span.start += part.length;
      if (span.start === span.end) left.shift();
      yield { offset: start, bytes: part };
    }
  }
  if (left.length === done) return;
  throw new DowelError("TRANSFER_INCOMPLETE", `${answer.what}: ended before all that was asked for`);
}
