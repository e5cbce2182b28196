// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import type { Descriptor } from "../descriptor.ts";
import type { ByteStream } from "../verify.ts";
import { type Answer, discard, statusError } from "./answer.ts";
import type { Transport } from "./transport.ts";

/** Bytes held in memory per upload; a blob no larger goes up in one request. */
const chunkBytes = 16 * 1024 * 1024;

function pushScopes(repository: string): readonly string[] {
  return [`repository:${repository}:pull,push`];
}

/**
 * Sends a blob (OCI distribution specification 1.1, "Pushing blobs"): one PUT where it fits into memory, else a
 * PATCH per piece. A piece whose answer was lost is sent again from where the registry says it stands.
 */
export async function uploadBlob(
  transport: Transport,
  repository: string,
  descriptor: Descriptor,
  chunks: ByteStream,
  signal?: AbortSignal,
): Promise<void> {
  const scopes = pushScopes(repository);
  const started = await transport.request({
    method: "POST",
    url: `v2/${repository}/blobs/uploads/`,
    headers: { "content-length": "0" },
    scopes,
    expect: [202],
    signal,
  });
  const upload = new Upload(transport, scopes, locationOf(started), signal);
  await discard(started);
  try {
    let last: Uint8Array = new Uint8Array();
    for await (const { piece, final } of inPieces(chunks, chunkBytes)) {
      if (final) last = piece;
      else await upload.patch(piece);
    }
    await upload.finish(last, descriptor.digest);
  } catch (error) {
    await upload.cancel();
    throw error;
  }
}

/** Asks the registry to take a blob over from another of its repositories; false where it does not. */
export async function mountBlob(
  transport: Transport,
  repository: string,
  descriptor: Descriptor,
  from: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const answer = await transport.request({
    method: "POST",
    url: `v2/${repository}/blobs/uploads/?mount=${descriptor.digest}&from=${encodeURIComponent(from)}`,
    headers: { "content-length": "0" },
    scopes: [...pushScopes(repository), `repository:${from}:pull`],
    expect: [201, 202, 405],
    signal,
  });
  await discard(answer);
  // 202 is an upload begun in place of the mount
  if (answer.response.status === 202) {
    await new Upload(transport, pushScopes(repository), locationOf(answer), undefined).cancel();
  }
  return answer.response.status === 201;
}

class Upload {
  readonly #transport: Transport;
  readonly #scopes: readonly string[];
  readonly #signal: AbortSignal | undefined;
  #url: URL;
  #sent = 0;

  constructor(transport: Transport, scopes: readonly string[], url: URL, signal: AbortSignal | undefined) {
    this.#transport = transport;
    this.#scopes = scopes;
    this.#url = url;
    this.#signal = signal;
  }

  /** Attempts count from where the registry got further: it may still work on what a lost connection brought. */
  async patch(piece: Uint8Array): Promise<void> {
    const target = this.#sent + piece.byteLength;
    for (let attempt = 1; this.#sent < target; attempt++) {
      const before = this.#sent;
      const rest = piece.subarray(piece.byteLength - (target - this.#sent));
      try {
        const range = { "content-range": `${this.#sent}-${target - 1}` };
        const answer = await this.#send("PATCH", this.#url, rest, [202, 409, 416], range);
        if (answer.response.status === 202) {
          this.#url = locationOf(answer);
          this.#sent = target;
          return;
        }
        if (attempt >= this.#transport.attempts) throw await statusError(answer);
      } catch (error) {
        if (!isDowelError(error, "REGISTRY_UNREACHABLE") || attempt >= this.#transport.attempts) throw error;
      }
      await this.#transport.pause(attempt, this.#signal);
      await this.#findPosition(target, piece.byteLength);
      if (this.#sent > before) attempt = 0;
    }
  }

  /** Sends the last piece with the digest; after a lost connection what is missing, and then the digest alone. */
  async finish(last: Uint8Array, digest: string): Promise<void> {
    const target = this.#sent + last.byteLength;
    try {
      await this.#put(last, digest);
    } catch (error) {
      if (!isDowelError(error, "REGISTRY_UNREACHABLE")) throw error;
      await this.#transport.pause(1, this.#signal);
      await this.#findPosition(target, last.byteLength);
      if (this.#sent < target) await this.patch(last.subarray(last.byteLength - (target - this.#sent)));
      await this.#put(new Uint8Array(), digest);
    }
  }

  async #put(last: Uint8Array, digest: string): Promise<void> {
    const url = new URL(this.#url);
    url.searchParams.set("digest", digest);
    const range = { "content-range": `${this.#sent}-${this.#sent + last.byteLength - 1}` };
    await this.#send("PUT", url, last, [201, 204], this.#sent === 0 || last.byteLength === 0 ? {} : range);
  }

  /** Best effort: an upload that is left alone is the registry's to clean up. */
  async cancel(): Promise<void> {
    try {
      await this.#send("DELETE", this.#url, undefined, [202, 204, 404, 405]);
    } catch {
      // the error that led here matters more
    }
  }

  /** After a lost connection: how far the registry got. */
  async #findPosition(target: number, pieceLength: number): Promise<void> {
    const answer = await this.#send("GET", this.#url, undefined, [204]);
    const end = /^(?:bytes=)?0-([0-9]{1,16})$/.exec(answer.response.headers.get("range") ?? "")?.[1];
    const stands = end === undefined || end === "0" ? 0 : Number(end) + 1;
    if (stands < target - pieceLength || stands > target) {
      throw new DowelError(
        "REGISTRY_RESPONSE",
        `${answer.what}: upload stands at ${stands}, expected ${target - pieceLength} to ${target}`,
      );
    }
    this.#sent = stands;
    if (answer.response.headers.has("location")) this.#url = locationOf(answer);
  }

  async #send(
    method: string,
    url: URL,
    body: Uint8Array | undefined,
    expect: readonly number[],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const answer = await this.#transport.request({
      method,
      url,
      headers: body === undefined ? headers : { "content-type": "application/octet-stream", ...headers },
      ...(body === undefined ? {} : { body }),
      scopes: this.#scopes,
      expect,
      repeatable: method === "GET",
      signal: method === "DELETE" ? undefined : this.#signal,
    });
    await discard(answer);
    return answer;
  }
}

function locationOf(answer: Answer): URL {
  const location = answer.response.headers.get("location") ?? "";
  if (location !== "" && URL.canParse(location, answer.url.href)) return new URL(location, answer.url);
  throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: no Location to go on with`);
}

/** Cuts a stream into pieces of `size` bytes; the last one, perhaps empty or shorter, is marked. */
async function* inPieces(
  chunks: ByteStream,
  size: number,
): AsyncGenerator<{ piece: Uint8Array; final: boolean }, void> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      if (bytes === size) {
        yield { piece: Buffer.concat(held, bytes), final: false };
        held = [];
        bytes = 0;
      }
      const part = chunk.subarray(at, at + size - bytes);
      held.push(part);
      bytes += part.byteLength;
      at += part.byteLength;
    }
  }
  yield { piece: Buffer.concat(held, bytes), final: true };
}
