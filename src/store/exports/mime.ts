// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/text.ts";

const token =
  /<!--[\s\S]*?-->|<\?xml\s[^<>]*?\?>|<(\/?)([A-Za-z][\w:.-]*)((?:\s+[A-Za-z_:][\w:.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+/y;

/**
 * A MIME package fit for the host: what looks into contents (`magic`, `treemagic`) is taken out, so that an app cannot
 * claim other types' files by their bytes, and its file name patterns get a low weight. Doctypes, CDATA and
 * processing instructions are refused: XML readers differ about them. Throws `EXPORT_INVALID`.
 */
export function rewriteMime(bytes: Uint8Array, file: string): string {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw invalid(file, "is not UTF-8 text");
  let result = "";
  const open: string[] = [];
  let dropped = 0;
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw invalid(file, `has something that is not plain XML at character ${at}`);
    const [whole, closing, name, attributes = "", empty] = match;
    if (name === undefined) {
      if (dropped === 0) result += whole;
      continue;
    }
    if (closing === "/") {
      if (open.pop() !== name) throw invalid(file, `has a </${name}> that closes nothing`);
      if (isMagic(name)) dropped -= 1;
      else if (dropped === 0) result += whole;
      continue;
    }
    checkPlace(open, name, file);
    if (empty !== "/") open.push(name);
    if (isMagic(name)) dropped += empty === "/" ? 0 : 1;
    else if (dropped === 0) result += name === "glob" ? lightGlob(attributes, empty ?? "") : whole;
  }
  if (open.length > 0) throw invalid(file, `ends inside <${open.at(-1)}>`);
  return result;
}

function isMagic(name: string): boolean {
  return name === "magic" || name === "treemagic";
}

function checkPlace(open: readonly string[], name: string, file: string): void {
  const expected = ["mime-info", "mime-type"][open.length];
  if (expected !== undefined && expected !== name) throw invalid(file, `has <${name}> where <${expected}> must be`);
}

function lightGlob(attributes: string, empty: string): string {
  const others = attributes.replace(/\s+weight\s*=\s*("[^"]*"|'[^']*')/g, "");
  return `<glob${others} weight="5"${empty}>`;
}

function invalid(file: string, what: string): DowelError {
  return new DowelError("EXPORT_INVALID", `${file} ${what}`);
}
