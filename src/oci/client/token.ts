// SPDX-License-Identifier: Apache-2.0

/** Longest token that is taken, in characters: registries refuse longer headers. */
const longest = 16_384;

/** A token for a registry. No way of printing or encoding it shows it. */
export class BearerToken {
  readonly #text: string;

  /** The text must be one of `isTokenText`. */
  constructor(text: string) {
    this.#text = text;
  }

  /** The value of an `Authorization` header. */
  get header(): string {
    return `Bearer ${this.#text}`;
  }

  /** The text, for leaving it out of what a registry repeats. */
  reveal(): string {
    return this.#text;
  }
}

/** Whether a text can be a token: printable ASCII, as it stands in a header. */
export function isTokenText(text: string): boolean {
  return text.length <= longest && /^[\x21-\x7e]+$/.test(text);
}
