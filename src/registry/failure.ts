// SPDX-License-Identifier: Apache-2.0
import { isDowelError, knownError } from "../base/errors.ts";

/** Error codes of the OCI distribution specification 1.1 with the status each is sent with. */
const statuses = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 413,
  DENIED: 403,
  UNSUPPORTED: 405,
  UNKNOWN: 500,
} as const;

type FailureCode = keyof typeof statuses;

/** What a client is told. Never seen by the user of this process. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: FailureCode, message: string, headers: Readonly<Record<string, string>> = {}, status?: number) {
    super(message);
    this.code = code;
    this.status = status ?? statuses[code];
    this.headers = headers;
  }
}

/** Turns anything thrown while a request was served into the answer for the client. */
export function failureResponse(error: unknown): Response {
  const failure = error instanceof Failure ? error : fromOther(error);
  const body = { errors: [{ code: failure.code, message: failure.message, detail: {} }] };
  return Response.json(body, { status: failure.status, headers: failure.headers });
}

function fromOther(error: unknown): Failure {
  if (isDowelError(error, "OCI_MANIFEST_INVALID")) return new Failure("MANIFEST_INVALID", error.message);
  if (isDowelError(error, "LIMIT_EXCEEDED")) return new Failure("SIZE_INVALID", error.message);
  if (isDowelError(knownError(error), "NO_SPACE"))
    return new Failure("UNKNOWN", "no space is left in the registry", {}, 507);
  // paths and causes are the operator's business, not the client's
  return new Failure("UNKNOWN", "the registry could not do this");
}
