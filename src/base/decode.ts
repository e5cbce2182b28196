// SPDX-License-Identifier: Apache-2.0
import type { ErrorCode } from "./codes.ts";
import { DowelError } from "./errors.ts";

export type JsonObject = { readonly [key: string]: unknown };

/**
 * Reads typed values out of parsed JSON. Each reader throws an error of the given code whose message starts with
 * `what` (the document) and names the key path and the type that was expected.
 */
export class Decoder {
  readonly #code: ErrorCode;
  readonly #what: string;

  constructor(code: ErrorCode, what: string) {
    this.#code = code;
    this.#what = what;
  }

  fail(path: string, expected: string): never {
    throw new DowelError(this.#code, `${this.#what}: ${path === "" ? "the document" : path} must be ${expected}`);
  }

  parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new DowelError(this.#code, `${this.#what}: not valid JSON`, { cause });
    }
  }

  object(value: unknown, path: string): JsonObject {
    if (value === null || typeof value !== "object" || Array.isArray(value)) this.fail(path, "an object");
    return value as JsonObject;
  }

  array(value: unknown, path: string): readonly unknown[] {
    if (!Array.isArray(value)) this.fail(path, "an array");
    return value;
  }

  string(value: unknown, path: string): string {
    if (typeof value !== "string") this.fail(path, "a string");
    return value;
  }

  /** A whole number from 0 to 2^53 - 1. */
  size(value: unknown, path: string): number {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      this.fail(path, "a whole number from 0");
    return value;
  }

  boolean(value: unknown, path: string): boolean {
    if (typeof value !== "boolean") this.fail(path, "true or false");
    return value;
  }

  stringMap(value: unknown, path: string): ReadonlyMap<string, string> {
    const result = new Map<string, string>();
    for (const [key, item] of Object.entries(this.object(value, path))) {
      result.set(key, this.string(item, `${path}.${key}`));
    }
    return result;
  }

  optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
    return value === undefined || value === null ? undefined : read(value);
  }
}
