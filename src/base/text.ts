// SPDX-License-Identifier: Apache-2.0

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decodes UTF-8; undefined where the bytes are not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Orders two strings by their UTF-8 bytes, as `strcmp` does. */
export function compareBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/**
 * Makes foreign text safe for a terminal: control characters, separators and direction marks become `\u{HEX}`.
 * Newlines are escaped too unless `keepNewlines` is set.
 */
export function escapeForTerminal(text: string, keepNewlines = false): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu, (character) =>
    keepNewlines && (character === "\n" || character === "\t")
      ? character
      : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
