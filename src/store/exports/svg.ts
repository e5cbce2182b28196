// SPDX-License-Identifier: Apache-2.0
import { gunzipSync } from "node:zlib";
import { limits } from "../../base/limits.ts";
import { decodeUtf8 } from "../../base/text.ts";

const token =
  /<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<\?[\s\S]*?\?>|<!DOCTYPE\s[^[\]<>]*(?:\[([^\]]*)\]\s*)?>|<(\/?)([A-Za-z_][\w:.-]*)((?:\s+[A-Za-z_][\w:.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+/y;

/** What is wrong with a compressed SVG image; undefined where nothing is. */
export function svgzProblem(bytes: Uint8Array): string | undefined {
  let unpacked: Uint8Array;
  try {
    unpacked = gunzipSync(bytes, { maxOutputLength: limits.svgBytes });
  } catch {
    return `is not gzip, or has more than ${limits.svgBytes} bytes unpacked`;
  }
  return svgProblem(unpacked);
}

/**
 * What is wrong with an SVG image; undefined where nothing is. It must be plain XML with `svg` at its top, no script, at
 * most 4096 pixels wide and as high as wide where it says so, and neither entities nor `use` may make more of it than a
 * program that draws it can bear.
 */
export function svgProblem(bytes: Uint8Array): string | undefined {
  const text = decodeUtf8(bytes)?.replace(/^\ufeff/, "");
  if (text === undefined) return "is not UTF-8 text";
  const reader = new SvgReader();
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) return `has something that is not plain XML at character ${at}`;
    const problem = reader.take(match);
    if (problem !== undefined) return problem;
  }
  return reader.end();
}

class SvgReader {
  readonly #open: string[] = [];
  /** For each open element the nearest id, its own or above it; and what each id shows. */
  readonly #openIds: (string | undefined)[] = [];
  readonly #uses = new Map<string, string[]>();
  readonly #shown: string[] = [];
  #elements = 0;
  #references = 0;
  #entityBytes = 0;

  take([whole, subset, closing, name, attributes = "", empty]: RegExpExecArray): string | undefined {
    if (subset !== undefined) return this.#declare(subset);
    if (name === undefined) return this.#count(whole);
    if (closing === "/") {
      this.#openIds.pop();
      return this.#open.pop() === name ? undefined : `has a </${name}> that closes nothing`;
    }
    return this.#element(name, attributes, empty === "/") ?? this.#count(attributes);
  }

  end(): string | undefined {
    if (this.#open.length > 0 || this.#elements === 0) return "ends too early";
    if (this.#references * this.#entityBytes > limits.svgBytes) return "makes too much of its entities";
    const sizes = new Map<string, number>();
    const total = this.#shown.reduce((sum, id) => sum + this.#sizeOf(id, sizes), 0);
    return total <= limits.svgElements ? undefined : "shows its parts again too often";
  }

  #declare(subset: string): string | undefined {
    const rest = subset.replace(/<!ENTITY\s+[A-Za-z_][\w.-]*\s+(?:"([^"&<%]*)"|'([^'&<%]*)')\s*>/g, (whole) => {
      this.#entityBytes += whole.length;
      return "";
    });
    return rest.trim() === "" ? undefined : "has declarations that it must not have";
  }

  #count(text: string): undefined {
    this.#references += text.split("&").length - 1;
  }

  #element(name: string, attributes: string, isEmpty: boolean): string | undefined {
    this.#elements += 1;
    const local = name.slice(name.indexOf(":") + 1);
    if (this.#open.length === 0 && (this.#elements > 1 || local !== "svg")) return "has no svg at its top";
    if (local === "script") return "has a script";
    if (this.#elements > limits.svgElements || this.#open.length > limits.svgDepth) return "has too many elements";
    if (this.#open.length === 0) {
      const problem = sizeProblem(attributes);
      if (problem !== undefined) return problem;
    }
    const target = local === "use" ? attributeOf(attributes, "href")?.match(/^#(.*)$/)?.[1] : undefined;
    if (target !== undefined) {
      this.#shown.push(target);
      this.#shows(target);
    }
    if (isEmpty) return undefined;
    this.#open.push(name);
    const id = attributeOf(attributes, "id");
    if (id !== undefined) this.#shows(id);
    this.#openIds.push(id ?? this.#openIds.at(-1));
    return undefined;
  }

  /** Notes that the element that is open shows another one, below it or by `use`. */
  #shows(target: string): void {
    const id = this.#openIds.at(-1);
    if (id === undefined) return;
    const uses = this.#uses.get(id);
    if (uses === undefined) this.#uses.set(id, [target]);
    else uses.push(target);
  }

  /** How many elements come of one that is shown; one that shows itself, or nests too deep, counts as endless. */
  #sizeOf(id: string, sizes: Map<string, number>, depth = 0): number {
    const known = sizes.get(id);
    if (known !== undefined) return known;
    if (depth > limits.svgDepth) return Number.POSITIVE_INFINITY;
    sizes.set(id, Number.POSITIVE_INFINITY);
    const size = (this.#uses.get(id) ?? []).reduce((sum, target) => sum + this.#sizeOf(target, sizes, depth + 1), 1);
    sizes.set(id, size);
    return size;
  }
}

function attributeOf(attributes: string, name: string): string | undefined {
  const match = new RegExp(`\\s(?:[A-Za-z_][\\w.-]*:)?${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`).exec(attributes);
  return match?.[1] ?? match?.[2];
}

function sizeProblem(attributes: string): string | undefined {
  const length = (name: string): number =>
    Number(/^\s*([0-9]*\.?[0-9]+)\s*(?:px)?\s*$/.exec(attributeOf(attributes, name) ?? "")?.[1] ?? Number.NaN);
  const box = (attributeOf(attributes, "viewBox") ?? "")
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  const [width, height] = [length("width"), length("height")];
  const [wide, high] =
    Number.isNaN(width) || Number.isNaN(height) ? [box[2] ?? Number.NaN, box[3] ?? Number.NaN] : [width, height];
  if (Number.isNaN(wide) || Number.isNaN(high)) return undefined;
  if (Math.max(wide, high) > limits.svgPixels) return `is larger than ${limits.svgPixels} pixels`;
  return Math.abs(wide - high) < 1 ? undefined : `is ${wide} wide and ${high} high, not square`;
}
