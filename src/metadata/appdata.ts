// SPDX-License-Identifier: Apache-2.0

/** What AppStream data say about an app, in the untranslated language. */
export interface Appdata {
  readonly name?: string;
  readonly summary?: string;
  /** Of the newest release, which comes first. */
  readonly version?: string;
  readonly license?: string;
  /** Separated by commas. */
  readonly keywords?: string;
}

/** Larger files are not looked into. */
const longestText = 1024 * 1024;

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(lt|gt|amp|quot|apos));/g, (whole, dec, hex, name) => {
    if (name !== undefined) return entities[name] ?? whole;
    const point = dec === undefined ? Number.parseInt(hex, 16) : Number.parseInt(dec, 10);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

type Token =
  | { readonly kind: "open" | "empty"; readonly name: string; readonly attributes: string }
  | { readonly kind: "close" }
  /** As it stands: entities are not resolved yet unless it is literal. */
  | { readonly kind: "text"; readonly text: string; readonly literal: boolean };

/** What is passed over, by how it begins and ends. CDATA is text as it stands. */
const skipped: readonly (readonly [string, string])[] = [
  ["<!--", "-->"],
  ["<?", "?>"],
  ["<!", ">"],
];

/** Long elements, never within themselves, that hold nothing of interest; they are passed over in one step. */
const bulky: ReadonlySet<string> = new Set(["description", "screenshots", "categories", "provides"]);

function* tokens(xml: string): Generator<Token> {
  for (let at = 0; at < xml.length; ) {
    if (xml[at] !== "<") {
      const end = xml.indexOf("<", at);
      yield { kind: "text", text: xml.slice(at, end < 0 ? undefined : end), literal: false };
      at = end < 0 ? xml.length : end;
      continue;
    }
    if (xml.startsWith("<![CDATA[", at)) {
      const end = xml.indexOf("]]>", at);
      if (end < 0) return;
      yield { kind: "text", text: xml.slice(at + 9, end), literal: true };
      at = end + 3;
      continue;
    }
    const skip = skipped.find(([start]) => xml.startsWith(start, at));
    const stop = skip?.[1] ?? ">";
    const end = xml.indexOf(stop, at);
    if (end < 0) return;
    const tag = skip === undefined ? readTag(xml.slice(at + 1, end)) : undefined;
    at = end + stop.length;
    if (tag?.kind === "open" && bulky.has(tag.name)) {
      const close = `</${tag.name}>`;
      const closed = xml.indexOf(close, at);
      if (closed < 0) return;
      at = closed + close.length;
    } else if (tag !== undefined) yield tag;
  }
}

function readTag(tag: string): Token {
  if (tag.startsWith("/")) return { kind: "close" };
  const empty = tag.endsWith("/");
  const body = empty ? tag.slice(0, -1) : tag;
  const space = body.search(/\s/);
  const name = space < 0 ? body : body.slice(0, space);
  return { kind: empty ? "empty" : "open", name, attributes: space < 0 ? "" : body.slice(space) };
}

const language = /\sxml:lang\s*=/;
const version = /\sversion\s*=\s*(?:"([^"]*)"|'([^']*)')/;

function versionOf(attributes: string): string | undefined {
  const [, double, single] = version.exec(attributes) ?? [];
  const value = double ?? single;
  return value === undefined ? undefined : unescapeXml(value);
}

const fields: Readonly<Record<string, keyof Appdata>> = {
  name: "name",
  summary: "summary",
  project_license: "license",
};

/**
 * Reads the first `<component>` of AppStream data (metainfo XML or a collection). Never throws: what is malformed ends
 * the reading, and what was found until then counts.
 */
export function parseAppdata(xml: string): Appdata {
  const found: { -readonly [Key in keyof Appdata]: Appdata[Key] } = {};
  if (xml.length > longestText) return found;
  const path: string[] = [];
  let field: keyof Appdata | undefined;
  for (const token of tokens(xml)) {
    if (token.kind === "text") {
      const before = field === undefined ? "" : (found[field] ?? "");
      const text = token.literal ? token.text : unescapeXml(token.text);
      if (field !== undefined)
        found[field] = field === "keywords" && before !== "" ? `${before},${text}` : before + text;
      continue;
    }
    field = undefined;
    if (token.kind === "close") {
      const closed = path.pop();
      if (closed === "component" || (closed === "application" && path.length === 0)) break;
      continue;
    }
    const { name, attributes } = token;
    const parent = path.at(-1);
    if (parent === "component" || parent === "application") {
      const wanted = fields[name];
      if (wanted !== undefined && found[wanted] === undefined && !language.test(attributes)) field = wanted;
    }
    if (name === "keyword" && parent === "keywords" && !language.test(attributes)) field = "keywords";
    if (name === "release" && parent === "releases") found.version ??= versionOf(attributes) ?? "";
    if (token.kind === "open") path.push(name);
    else field = undefined;
  }
  return Object.fromEntries(
    Object.entries(found)
      .map(([key, text]) => [key, text.trim().replace(/\s+/g, " ")])
      .filter(([, text]) => text !== ""),
  );
}
