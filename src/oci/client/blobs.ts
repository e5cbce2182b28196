// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, DowelError, isDowelError } from "../../base/errors.ts";
import type { Descriptor } from "../descriptor.ts";
import type { ByteStream } from "../verify.ts";
import { type Answer, contentType, discard } from "./answer.ts";
import type { Transport } from "./transport.ts";

export interface BlobRequest {
  readonly repository: string;
  readonly descriptor: Pick<Descriptor, "digest" | "size" | "mediaType">;
  readonly offset: number;
  /** First byte not wanted. */
  readonly end: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The bytes of a blob from `offset` to `end`. A transfer that breaks off goes on where it ended, as often as bytes
 * keep coming. Digests are the caller's to check.
 */
export async function* streamBlob(transport: Transport, request: BlobRequest): ByteStream {
  let at = request.offset;
  for (let failures = 0; at < request.end; ) {
    const answer = await openAt(transport, request, at);
    const before = at;
    try {
      for await (const chunk of bodyFrom(transport, answer, request, at)) {
        at += chunk.byteLength;
        yield chunk;
      }
      return;
    } catch (error) {
      checkCancelled(request.signal);
      if (!isDowelError(error, "TRANSFER_INCOMPLETE")) throw error;
      failures = at > before ? 1 : failures + 1;
      if (failures >= transport.attempts) throw error;
      await transport.pause(failures, request.signal);
    }
  }
}

async function openAt(transport: Transport, request: BlobRequest, at: number): Promise<Answer> {
  const { repository, descriptor, end, signal } = request;
  const whole = at === 0 && end === descriptor.size;
  const answer = await transport.request({
    method: "GET",
    url: `v2/${repository}/blobs/${descriptor.digest}`,
    headers: whole ? {} : { range: `bytes=${at}-${end - 1}` },
    scopes: [`repository:${repository}:pull`],
    expect: [200, 206, 416],
    signal,
  });
  const { status, headers } = answer.response;
  const problem = misfit(answer, status, headers.get("content-range"), at, descriptor.mediaType);
  if (problem === undefined) return answer;
  await discard(answer);
  throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: ${problem}`);
}

function misfit(
  answer: Answer,
  status: number,
  range: string | null,
  at: number,
  mediaType: string,
): string | undefined {
  if (status === 416) return `has no bytes from ${at} on`;
  const start = /^bytes ([0-9]{1,16})-/.exec(range ?? "")?.[1];
  if (status === 206 && Number(start) !== at) return `asked for bytes from ${at}, got "${range ?? "no Content-Range"}"`;
  // login pages of captive networks and proxies come with status 200
  if (contentType(answer) === "text/html" && mediaType !== "text/html") return "an HTML page, expected a blob";
  return undefined;
}

/** The wanted part of a body, whether the registry heeded the range or sent everything. */
async function* bodyFrom(transport: Transport, answer: Answer, request: BlobRequest, at: number): ByteStream {
  let position = answer.response.status === 206 ? at : 0;
  // one byte past the end of the whole blob is let through, so that one that is too long is noticed
  const stop = request.end === request.descriptor.size ? request.end + 1 : request.end;
  for await (const chunk of watchedBody(transport, answer, request.signal)) {
    const from = Math.max(0, at - position);
    const to = Math.min(chunk.byteLength, stop - position);
    position += chunk.byteLength;
    if (from < to) yield chunk.subarray(from, to);
    if (position >= stop) return;
  }
  if (position < request.end) {
    throw new DowelError("TRANSFER_INCOMPLETE", `${answer.what}: ended after ${position} of ${request.end} bytes`);
  }
}

/** The chunks of a body; a connection that breaks or goes silent is `TRANSFER_INCOMPLETE`. */
export async function* watchedBody(transport: Transport, answer: Answer, signal: AbortSignal | undefined): ByteStream {
  const reader = answer.response.body?.getReader();
  if (reader === undefined) return;
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, transport.idleMilliseconds, signal);
      ended = done;
      if (value === undefined) return;
      yield value;
    }
  } catch (cause) {
    checkCancelled(signal);
    if (cause instanceof DowelError) throw cause;
    throw new DowelError("TRANSFER_INCOMPLETE", `${answer.what}: the transfer broke off`, { cause });
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined);
  }
}

type ReadResult = { readonly done: boolean; readonly value?: Uint8Array | undefined };

async function readWithin(
  reader: { read(): Promise<ReadResult> },
  milliseconds: number,
  signal: AbortSignal | undefined,
): Promise<ReadResult> {
  const stop = Promise.withResolvers<never>();
  const timer = setTimeout(() => stop.reject(new Error(`silent for ${milliseconds} ms`)), milliseconds);
  const abort = (): void => stop.reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([reader.read(), stop.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
