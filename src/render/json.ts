// SPDX-License-Identifier: Apache-2.0

/**
 * JSON that is also safe on a terminal: control characters, separators and direction marks in strings, which
 * JSON allows, stand as `\uXXXX`, so that what is parsed is the same.
 */
export function toJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent);
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu, (character) =>
    character === "\n"
      ? character
      : [...Array(character.length).keys()]
          .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
          .join(""),
  );
}
