// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DowelError, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { splitRelativePath } from "../../base/paths.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { parseJson } from "../../formats/document/json.ts";
import { SourceText } from "../../formats/document/node.ts";
import { Value } from "../../formats/document/value.ts";
import { parseYaml } from "../../formats/document/yaml.ts";

/** Reads a manifest file, JSON where the name ends in `.json` and YAML else. */
export function readDocument(file: string, shownAs: string): Value {
  const source = new SourceText(shownAs, readText(file, shownAs));
  return new Value(source, file.endsWith(".json") ? parseJson(source) : parseYaml(source), "");
}

function readText(file: string, shownAs: string): string {
  let bytes: Uint8Array;
  try {
    const size = statSync(file).size;
    if (size > limits.manifestBytes) {
      throw new DowelError("LIMIT_EXCEEDED", `${shownAs}: more than the ${limits.manifestBytes} bytes allowed`);
    }
    bytes = readFileSync(file);
  } catch (error) {
    throw fileError(error, "read the manifest", shownAs);
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new DowelError("MANIFEST_INVALID", `${shownAs}: expected UTF-8 text`);
  return text;
}

/** The file that is being read, and those that led to it. Relative paths in it start from its folder. */
export class Includer {
  readonly #chain: readonly string[];
  readonly #folder: string;
  readonly #onInclude: ((file: string) => void) | undefined;

  /** `onInclude` is told of each file before it is read. */
  constructor(chain: readonly string[], onInclude?: (file: string) => void) {
    this.#chain = chain;
    this.#onInclude = onInclude;
    this.#folder = dirname(chain.at(-1) ?? "/");
  }

  path(value: Value): string {
    const text = value.text();
    if (text === "" || text.includes("\0")) value.fail("a path");
    return resolve(this.#folder, text);
  }

  /** A path that must stay below the build folder. */
  insidePath(value: Value | undefined): readonly string[] | undefined {
    if (value === undefined) return undefined;
    return splitRelativePath(value.text()) ?? value.fail("a relative path without '..'");
  }

  include<T>(value: Value, read: (included: Value, inner: Includer) => T): T {
    const file = this.path(value);
    if (this.#chain.includes(file))
      value.fail(`files that do not include each other; ${value.text()} comes round again`);
    if (this.#chain.length >= limits.manifestIncludeDepth) {
      value.fail(`at most ${limits.manifestIncludeDepth} files that include each other`);
    }
    this.#onInclude?.(file);
    let document: Value;
    try {
      document = readDocument(file, file);
    } catch (error) {
      if (error instanceof DowelError && (error.code === "IO" || error.code === "NOT_PERMITTED")) {
        value.fail(`the path of a file that can be read; found ${value.text()} (${error.message})`);
      }
      throw error;
    }
    return read(document, new Includer([...this.#chain, file], this.#onInclude));
  }
}
