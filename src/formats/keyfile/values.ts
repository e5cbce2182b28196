// SPDX-License-Identifier: Apache-2.0

const escapes: Readonly<Record<string, string>> = { s: " ", n: "\n", t: "\t", r: "\r", "\\": "\\" };

/** The text of an escaped value; undefined where an escape is unknown or cut off. */
export function unescapeValue(raw: string): string | undefined {
  return raw.includes("\\") ? unescapePieces(raw, undefined)?.[0] : raw;
}

/**
 * The texts of an escaped list: each ends at a `;` or at the end, so a closing `;` adds none; `\;` is a `;` in a
 * text. Undefined where an escape is unknown or cut off.
 */
export function unescapeList(raw: string): string[] | undefined {
  return unescapePieces(raw, ";");
}

function unescapePieces(raw: string, separator: string | undefined): string[] | undefined {
  const pieces: string[] = [];
  let piece = "";
  let start = 0;
  for (let at = 0; at < raw.length; at++) {
    const letter = raw[at] ?? "";
    if (letter === separator) {
      pieces.push(piece);
      piece = "";
      start = at + 1;
    } else if (letter === "\\") {
      const next = raw[++at] ?? "";
      const meant = next === separator ? separator : escapes[next];
      if (meant === undefined) return undefined;
      piece += meant;
    } else {
      piece += letter;
    }
  }
  if (start < raw.length) pieces.push(piece);
  return pieces;
}

/** Escapes a text as a value: newlines, returns, backslashes, and the white space that it starts with. */
export function escapeValue(text: string): string {
  const letters: Readonly<Record<string, string>> = { " ": "\\s", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\" };
  return text.replace(/^[ \t]+|[\n\r\\]/g, (match) => [...match].map((letter) => letters[letter]).join(""));
}

/** Escapes texts as a list, with a `;` after each. */
export function escapeList(texts: readonly string[]): string {
  return texts.map((text) => `${escapeValue(text).replaceAll(";", "\\;")};`).join("");
}
