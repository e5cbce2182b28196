// SPDX-License-Identifier: Apache-2.0

import type { ErrorCode } from "../../base/codes.ts";
import { DowelError } from "../../base/errors.ts";
import type { StagedContent, Stager } from "./stager.ts";

/** What a batch says of an item. */
export const itemFlag = { executable: 1, part: 2, last: 4 } as const;

/** Contents and parts of contents on their way to a stager. */
export interface Batch {
  /** The bytes of all items, one after the other. */
  readonly buffer: ArrayBuffer;
  /** For each item its length and its flags. */
  readonly items: readonly number[];
  /** Whether staged contents have become objects since the last batch. */
  readonly forget: boolean;
  /** Whether all that is staged is to be written to the device then. */
  readonly sync: boolean;
}

/** What can be told of an error to another thread. */
interface ToldError {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What comes back of a batch; all contents before the one that failed are staged. */
export interface BatchResult {
  /** The memory of the batch, to be used again. */
  readonly buffer: ArrayBuffer;
  /** One for each content that ended in the batch. */
  readonly contents: readonly StagedContent[];
  readonly error: ToldError | undefined;
}

/** Stages what is in a batch. */
export function stageBatch(stager: Stager, { buffer, items, forget, sync }: Batch): BatchResult {
  const contents: StagedContent[] = [];
  try {
    if (forget) stager.forgetFolders();
    for (let at = 0, offset = 0; at < items.length; at += 2) {
      const [length = 0, flags = 0] = [items[at], items[at + 1]];
      const bytes = new Uint8Array(buffer, offset, length);
      const executable = (flags & itemFlag.executable) !== 0;
      offset += length;
      if ((flags & itemFlag.part) === 0) contents.push(stager.add(bytes, executable));
      else {
        stager.addPart(bytes, executable);
        if ((flags & itemFlag.last) !== 0) contents.push(stager.finishParts());
      }
    }
    if (sync) stager.sync();
    return { buffer, contents, error: undefined };
  } catch (error) {
    return { buffer, contents, error: tell(error) };
  }
}

function tell(error: unknown): ToldError {
  if (error instanceof DowelError) return { code: error.code, message: error.message, hint: error.hint };
  return { code: undefined, message: error instanceof Error ? error.message : String(error), hint: undefined };
}

/** The error that another thread told of. */
export function errorOf({ code, message, hint }: ToldError): Error {
  if (code === undefined) return new Error(message);
  return new DowelError(code, message, hint === undefined ? {} : { hint });
}
