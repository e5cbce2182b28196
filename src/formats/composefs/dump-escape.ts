// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";

const shortEscapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const longEscapes: Readonly<Record<string, string>> = { "\\": "\\", n: "\n", r: "\r", t: "\t" };

function escapeCharacter(character: string): string {
  return shortEscapes[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** A byte-string as a field of a dump: what is not printable ASCII, spaces and backslashes are escaped. */
export function escapeField(text: ByteString): string {
  return /^[!-[\]-~]*$/.test(text) ? text : text.replace(/[^!-[\]-~]/g, escapeCharacter);
}

/** As `escapeField`, for the name or value of an xattr: "=" is escaped too. */
export function escapeXattr(text: ByteString): string {
  return escapeField(text).replaceAll("=", "\\x3d");
}

/** As `escapeField`, for a field that may be unset, which is written as "-". */
export function escapeOptional(text: ByteString | undefined): string {
  if (text === undefined || text === "") return "-";
  return text === "-" ? "\\x2d" : escapeField(text);
}

/** Undoes the escapes; undefined where one is malformed or stands for NUL and `allowNul` is not set. */
export function unescapeField(field: string, allowNul = false): ByteString | undefined {
  if (!field.includes("\\")) return field;
  let text = "";
  let at = 0;
  for (let next = field.indexOf("\\"); next >= 0; next = field.indexOf("\\", at)) {
    const [, hex, short] = /^\\(?:x([0-9a-fA-F]{2})|([\\nrt]))/.exec(field.slice(next, next + 4)) ?? [];
    const character = hex === undefined ? longEscapes[short ?? ""] : String.fromCharCode(Number.parseInt(hex, 16));
    if (character === undefined || (character === "\0" && !allowNul)) return undefined;
    text += field.slice(at, next) + character;
    at = next + (hex === undefined ? 2 : 4);
  }
  return text + field.slice(at);
}
