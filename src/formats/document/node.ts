// SPDX-License-Identifier: Apache-2.0
import type { ErrorCode } from "../../base/codes.ts";
import { DowelError } from "../../base/errors.ts";

/** A value of a JSON or YAML text that knows where it stands; `at` counts UTF-16 units from the start of the text. */
export type Node =
  | { readonly kind: "map"; readonly at: number; readonly entries: ReadonlyMap<string, Entry> }
  | { readonly kind: "list"; readonly at: number; readonly items: readonly Node[] }
  | { readonly kind: "string"; readonly at: number; readonly value: string }
  | { readonly kind: "integer"; readonly at: number; readonly value: number }
  | { readonly kind: "boolean"; readonly at: number; readonly value: boolean }
  | { readonly kind: "null"; readonly at: number };

export interface Entry {
  readonly keyAt: number;
  readonly value: Node;
}

/** A text file, for messages of the form `FILE:LINE:COLUMN: …` (both counted from 1). */
export class SourceText {
  readonly file: string;
  readonly text: string;
  readonly #code: ErrorCode;

  /** `code`: of the errors about it. */
  constructor(file: string, text: string, code: ErrorCode = "MANIFEST_INVALID") {
    this.file = file;
    this.text = text;
    this.#code = code;
  }

  locate(at: number): string {
    const before = this.text.slice(0, at);
    const line = before.split("\n").length;
    return `${this.file}:${line}:${at - before.lastIndexOf("\n")}`;
  }

  fail(at: number, message: string, hint?: string): never {
    throw new DowelError(this.#code, `${this.locate(at)}: ${message}`, hint === undefined ? undefined : { hint });
  }
}
