// SPDX-License-Identifier: Apache-2.0
import { keepSecret } from "../../base/secrets.ts";

/** Longest token that is taken, in characters: registries refuse longer headers. */
const longest = 16_384;

/** A token for a registry. No way of printing or encoding it shows it. */
export class BearerToken {
  readonly #text: string;

  /** The text must be one of `isTokenText`. */
  constructor(text: string) {
    this.#text = text;
    keepSecret(text);
  }

  /** The value of an `Authorization` header. */
  get header(): string {
    return `Bearer ${this.#text}`;
  }
}

/** Whether a text can be a token: printable ASCII, as it stands in a header. */
export function isTokenText(text: string): boolean {
  return text.length <= longest && /^[\x21-\x7e]+$/.test(text);
}
