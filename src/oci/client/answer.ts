// SPDX-License-Identifier: Apache-2.0

import type { ErrorCode } from "../../base/codes.ts";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { withoutSecrets } from "../../base/secrets.ts";
import { collect } from "../verify.ts";
import { redactUrl } from "./url.ts";

/** An answer together with the address that gave it, after redirects. */
export interface Answer {
  readonly response: Response;
  readonly url: URL;
  /** `GET https://HOST/PATH`, for messages. */
  readonly what: string;
}

export function describeRequest(method: string, url: URL): string {
  return `${method} ${redactUrl(url)}`;
}

export async function discard(answer: Answer): Promise<void> {
  await answer.response.body?.cancel();
}

/** The media type of an answer without its parameters. */
export function contentType(answer: Answer): string {
  return (answer.response.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** The whole body of an answer, at most `limit` bytes. */
export async function readBody(answer: Answer, limit: number): Promise<Uint8Array> {
  const body = answer.response.body;
  if (body === null) return new Uint8Array();
  try {
    return await collect(body, limit, answer.what);
  } catch (cause) {
    if (cause instanceof DowelError) throw cause;
    throw new DowelError("TRANSFER_INCOMPLETE", `${answer.what}: the answer broke off`, { cause });
  }
}

/** The error that an unwanted status stands for; reads what the registry says about it. */
export async function statusError(answer: Answer): Promise<DowelError> {
  const { status } = answer.response;
  const said = await registryMessage(answer);
  const message = `${answer.what}: status ${status}${said === "" ? "" : `, "${said}"`}`;
  const code = codeOf(status);
  const hint = hintOf(status);
  return new DowelError(code, message, hint === undefined ? {} : { hint });
}

function hintOf(status: number): string | undefined {
  if (status === 401 || status === 403) return "Log in to the registry, or check the stored credentials.";
  return status === 429 ? "The registry wants fewer requests. Try again later; what was fetched is kept." : undefined;
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return "REGISTRY_AUTH";
  if (status === 404) return "REGISTRY_NOT_FOUND";
  if (status === 429 || status >= 500) return "REGISTRY_UNREACHABLE";
  return status >= 400 ? "REGISTRY_REFUSED" : "REGISTRY_RESPONSE";
}

/** The first message of an OCI error body; empty where the body is something else. */
async function registryMessage(answer: Answer): Promise<string> {
  try {
    const body = JSON.parse(Buffer.from(await readBody(answer, limits.registryErrorBytes)).toString("utf8"));
    const first: unknown = body?.errors?.[0];
    if (first === null || typeof first !== "object") return "";
    const { code, message } = first as { code?: unknown; message?: unknown };
    const said = [code, message].filter((part) => typeof part === "string" && part !== "").join(": ");
    // Before it is cut: half a secret is not recognized any more.
    return withoutSecrets(said).slice(0, 500);
  } catch {
    return "";
  }
}
