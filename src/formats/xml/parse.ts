// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";

export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Elements and texts in their order; entities are resolved. */
  readonly children: readonly XmlNode[];
}

export type XmlNode = XmlElement | string;

interface OpenElement extends XmlElement {
  readonly children: XmlNode[];
}

const token =
  /<!--(?:(?!--)[\s\S])*-->|<\?xml\s[^<>]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)([A-Za-z_][\w:.-]*)((?:\s+[A-Za-z_][\w:.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
const attribute = /([A-Za-z_][\w:.-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const named: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** Characters that XML 1.0 has no place for, not even as references. */
const forbidden =
  /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

class Parser {
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  fail(at: number, expected: string): never {
    throw new DowelError("XML_INVALID", `${this.#what}: character ${at}: ${expected}`);
  }

  /** Text with its references resolved. Only XML's own five names are known: there is no document type. */
  text(raw: string, at: number): string {
    const resolved = raw.replace(/&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|([A-Za-z]\w*));|&/g, (_, dec, hex, name) => {
      if (name !== undefined) return named[name] ?? this.fail(at, `there is no entity &${name};`);
      const point = dec !== undefined ? Number(dec) : hex !== undefined ? Number.parseInt(hex, 16) : Number.NaN;
      return point > 0 && point <= 0x10ffff
        ? String.fromCodePoint(point)
        : this.fail(at, "a & that begins no reference");
    });
    if (forbidden.test(resolved)) this.fail(at, "a character that XML does not allow");
    return resolved;
  }

  attributes(raw: string, at: number): ReadonlyMap<string, string> {
    const result = new Map<string, string>();
    for (const [, name = "", double, single] of raw.matchAll(attribute)) {
      if (result.has(name)) this.fail(at, `the attribute ${name} twice`);
      result.set(name, this.text(double ?? single ?? "", at));
    }
    return result;
  }

  parse(source: string): XmlElement {
    const top: OpenElement = { name: "", attributes: new Map(), children: [] };
    const open: OpenElement[] = [top];
    token.lastIndex = 0;
    for (let at = 0; at < source.length; at = token.lastIndex) {
      const match = token.exec(source) ?? this.fail(at, "expected elements, texts and comments only");
      const [, literal, closing, name, attributes = "", empty, text] = match;
      const current = open.at(-1) ?? top;
      const words = literal === undefined ? this.text(text ?? "", at) : literal;
      if (words !== "") {
        if (open.length === 1 && words.trim() !== "") this.fail(at, "text outside of the first element");
        if (forbidden.test(words)) this.fail(at, "a character that XML does not allow");
        if (open.length > 1) current.children.push(words);
      }
      if (name === undefined) continue;
      if (closing === "/") {
        if (open.length < 2 || current.name !== name) this.fail(at, `</${name}> closes nothing`);
        open.pop();
        continue;
      }
      if (open.length === 1 && top.children.length > 0) this.fail(at, "a second element at the top");
      const element: OpenElement = { name, attributes: this.attributes(attributes, at), children: [] };
      current.children.push(element);
      if (empty !== "/") open.push(element);
      if (open.length > limits.documentDepth) this.fail(at, `more than ${limits.documentDepth} elements in each other`);
    }
    const [root] = top.children;
    if (open.length > 1) this.fail(source.length, `</${open.at(-1)?.name}> is missing`);
    return root === undefined || typeof root === "string" ? this.fail(0, "no element") : root;
  }
}

/**
 * Reads an XML 1.0 document without document type and processing instructions, which readers differ about. Throws
 * `XML_INVALID`, which names `what` and the character.
 */
export function parseXml(source: string, what: string): XmlElement {
  return new Parser(what).parse(source.replace(/^\ufeff/, ""));
}
