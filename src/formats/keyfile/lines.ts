// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/** One line of a keyfile. `raw` has no newline; what GLib drops (a closing `\r`) it keeps. */
export type KeyfileLine =
  | { readonly kind: "other"; readonly raw: string }
  | { readonly kind: "group"; readonly raw: string; readonly group: string }
  | KeyLine;

export interface KeyLine {
  readonly kind: "key";
  readonly raw: string;
  readonly key: string;
  /** Still escaped, without the white space before it. */
  readonly value: string;
  /** Counted from 1 in the text that was parsed; undefined for a line that was set later. */
  readonly number: number | undefined;
}

// g_ascii_isspace(), which has no vertical tab
const leadingSpace = /^[ \t\f\r]+/;
const trailingSpace = /[ \t\f\r]+$/;

/** As `g_key_file_is_group_name`: not empty, without brackets and control characters. */
export function isGroupName(name: string): boolean {
  return /^[^[\]\x00-\x1f\x7f]+$/.test(name);
}

/** As `g_key_file_is_key_name`: no `=`, no brackets but for a locale at the end, no space at either end. */
export function isKeyName(name: string): boolean {
  // most names are plain, and a test by properties of characters takes ten times as long
  if (/^[A-Za-z0-9-]+$/.test(name)) return true;
  return /^(?! )[^=[\]]+(?<! )(?:\[[\p{L}\p{Nd}\p{Nl}\p{No}_.@-]*\])?$/u.test(name);
}

/** Reads one line as GLib does. `where` is the name of the file. Throws KEYFILE_SYNTAX with the line's number. */
export function parseLine(raw: string, number: number, where: string): KeyfileLine {
  const line = (raw.endsWith("\r") ? raw.slice(0, -1) : raw).replace(leadingSpace, "");
  if (line === "" || line.startsWith("#")) return { kind: "other", raw };
  const header = /^\[([^\]]*)\][ \t]*$/.exec(line);
  if (header !== null) {
    const group = header[1] ?? "";
    if (!isGroupName(group)) throw syntaxError(where, number, `"${group}" must be a group name`);
    return { kind: "group", raw, group };
  }
  const equals = line.indexOf("=");
  if (equals < 1) throw syntaxError(where, number, "expected a [group], a KEY=VALUE pair or a # comment");
  const key = line.slice(0, equals).replace(trailingSpace, "");
  if (!isKeyName(key)) throw syntaxError(where, number, `"${key}" must be a key name`);
  return { kind: "key", raw, key, value: line.slice(equals + 1).replace(leadingSpace, ""), number };
}

export function syntaxError(where: string, number: number, text: string): DowelError {
  return new DowelError("KEYFILE_SYNTAX", `${where}, line ${number}: ${text}`);
}
