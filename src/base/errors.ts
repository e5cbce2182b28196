// SPDX-License-Identifier: Apache-2.0
import type { ErrorCode } from "./codes.ts";
import { withoutSecrets } from "./secrets.ts";

export interface ErrorDetails {
  /** What the user can do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * The one error that users meet. The message names the offending path, ref, key or offset and says what was
 * expected; `code` is stable and listed in codes.ts. Mistakes of the program itself stay plain errors. Secrets that were
 * sent to a server are left out, whatever the text was made of.
 */
export class DowelError extends Error {
  override readonly name = "DowelError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(withoutSecrets(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint === undefined ? undefined : withoutSecrets(details.hint);
  }
}

export function isDowelError(error: unknown, code?: ErrorCode): error is DowelError {
  return error instanceof DowelError && (code === undefined || error.code === code);
}

/**
 * The error that a user is to be told; undefined for a mistake of the program itself. A disk that is full is none, wherever
 * that shows.
 */
export function knownError(error: unknown): DowelError | undefined {
  if (error instanceof DowelError) return error;
  const errno = errnoOf(error);
  if (errno !== "ENOSPC" && errno !== "EDQUOT") return undefined;
  const path = error instanceof Error && "path" in error && typeof error.path === "string" ? error.path : "a file";
  return fileError(error, "write", path);
}

/** The errno name (`ENOENT` …) of an error thrown by a system call, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (error === null || typeof error !== "object" || !("code" in error)) return undefined;
  return typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}

/** What went wrong with a file, for people; errno(3). What is not here is told in the words of who threw it. */
const plainReasons: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EBUSY: "it is in use",
  EEXIST: "it exists already",
  EFBIG: "it would be too large",
  EIO: "the disk has an error",
  EISDIR: "it is a folder",
  ELOOP: "there are symbolic links where none may be, or too many",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "too many files are open on this machine",
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a part of the path is no folder",
  ENOTEMPTY: "the folder is not empty",
  EPERM: "that is not permitted",
  EROFS: "the file system is read-only",
  EXDEV: "it is on another file system",
};

/** Turns the error of a file operation into one that names the path; a full disk gets its own code. */
export function fileError(error: unknown, action: string, path: string): DowelError {
  if (error instanceof DowelError) return error;
  const errno = errnoOf(error);
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new DowelError("NO_SPACE", `Cannot ${action} ${path}: no space is left`, {
      hint: "Free some space and run the same command again; what was fetched is kept.",
      cause: error,
    });
  }
  const reason = plainReasons[errno ?? ""] ?? (error instanceof Error ? error.message : String(error));
  const code = errno === "EACCES" || errno === "EPERM" ? "NOT_PERMITTED" : "IO";
  return new DowelError(code, `Cannot ${action} ${path}: ${reason}`, { cause: error });
}

/** Throws `ABORTED` where the signal has fired. */
export function checkCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new DowelError("ABORTED", "The operation was cancelled", { cause: signal.reason });
  }
}
