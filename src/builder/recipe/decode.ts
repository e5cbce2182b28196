// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import type { Value } from "../../formats/document/value.ts";
import { isValidBranch, isValidId } from "../../metadata/ref.ts";
import { decodeExtensions } from "../manifest/extensions.ts";
import { readDocument } from "../manifest/include.ts";

/** How a runtime and its Sdk are made from packages of Debian or a distribution made from it. */
export interface Recipe {
  readonly file: string;
  readonly id: string;
  readonly sdk: string | undefined;
  readonly branch: string;
  readonly suite: string;
  /** Addresses, or lines as in sources.list(5); empty: those of this machine that have the suite. */
  readonly mirrors: readonly string[];
  readonly components: readonly string[];
  readonly packages: readonly string[];
  /** What the Sdk has besides. */
  readonly sdkPackages: readonly string[];
  /** Patterns as in manifests, relative to `/usr`. */
  readonly cleanup: readonly string[];
  readonly sdkCleanup: readonly string[];
  /** Keeps manual pages and documentation. Copyright files are always kept. */
  readonly docs: boolean;
  readonly environment: ReadonlyMap<string, string>;
  readonly extensions: ReadonlyMap<string, readonly (readonly [string, string])[]>;
}

/** Whether a file is a recipe for runtimes rather than a manifest of an app. */
export function isRecipe(document: Value): boolean {
  return document.node.kind === "map" && document.node.entries.has("suite");
}

/** Reads a recipe. Throws `MANIFEST_INVALID` (`FILE:LINE:COLUMN: KEY: expected …`). */
export function loadRecipe(path: string): Recipe {
  return decodeRecipe(readDocument(resolve(path), path), resolve(path));
}

function decodeRecipe(document: Value, file: string): Recipe {
  const fields = document.fields();
  const id = fields.required("id");
  const sdk = fields.get("sdk");
  for (const value of sdk === undefined ? [id] : [id, sdk]) {
    check(value, isValidId, "an id of three or more elements with dots between, as org.example.Platform");
  }
  const branch = fields.required("branch");
  check(branch, isValidBranch, "the name of a branch");
  const suite = fields.required("suite");
  check(suite, isWord, "the name of a suite, as bookworm");
  const recipe: Recipe = {
    file,
    id: id.text(),
    sdk: sdk?.text(),
    branch: branch.text(),
    suite: suite.text(),
    mirrors: decodeMirrors(fields.get("mirror")),
    components: (fields.get("components")?.list() ?? []).map((item) => check(item, isWord, "the name of a component")),
    packages: fields.required("packages").list().map(packageName),
    sdkPackages: (fields.get("sdk-packages")?.list() ?? []).map(packageName),
    cleanup: fields.texts("cleanup"),
    sdkCleanup: fields.texts("sdk-cleanup"),
    docs: fields.flag("docs"),
    environment: decodeEnvironment(fields.get("environment")),
    extensions: decodeExtensions(fields.get("extensions")).extensions,
  };
  fields.done();
  return recipe;
}

function check(value: Value, isValid: (text: string) => boolean, expected: string): string {
  const text = value.text();
  return isValid(text) ? text : value.fail(`${expected}; found ${JSON.stringify(text)}`);
}

function isWord(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(text);
}

/** Names go into a command of apt, so that nothing but a name may pass (Debian policy 5.6.1). */
function packageName(value: Value): string {
  return check(value, (text) => /^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$/.test(text), "the name of a package");
}

function decodeMirrors(value: Value | undefined): readonly string[] {
  if (value === undefined) return [];
  const items = value.node.kind === "list" ? value.list() : [value];
  return items.map((item) =>
    check(item, (text) => /^(https?:\/\/|file:\/|deb )\S[^\n\0]*$/.test(text), "the address of a mirror"),
  );
}

function decodeEnvironment(value: Value | undefined): ReadonlyMap<string, string> {
  const pairs = value?.fields().pairs() ?? [];
  return new Map(pairs.map(([name, item]) => [name, item.text()]));
}
