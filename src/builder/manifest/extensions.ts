// SPDX-License-Identifier: Apache-2.0
import { splitRelativePath } from "../../base/paths.ts";
import type { Fields, Value } from "../../formats/document/value.ts";
import { isValidBranch, isValidId } from "../../metadata/ref.ts";
import type { Includer } from "./include.ts";
import type { BaseApp, Manifest, Named, Platform } from "./types.ts";

const extensionKeys = [
  "directory",
  "autodelete",
  "no-autodownload",
  "locale-subset",
  "subdirectories",
  "add-ld-path",
  "download-if",
  "enable-if",
  "autoprune-unless",
  "merge-dirs",
  "subdirectory-suffix",
  "version",
  "versions",
] as const;

/** Reads extension points as `add-extensions` has them. */
export function decodeExtensions(
  value: Value | undefined,
): Pick<Manifest, "extensions" | "removeExtensions" | "bundledExtensions"> {
  const extensions = new Map<string, readonly (readonly [string, string])[]>();
  const removeExtensions: string[] = [];
  const bundledExtensions: string[] = [];
  for (const [name, item] of value?.fields().pairs() ?? []) {
    const fields = item.fields();
    if (!isValidId(name.replace(/@.*$/, ""))) item.fail("an id as the name of an extension point");
    if (fields.flag("remove-after-build")) removeExtensions.push(name);
    if (fields.flag("bundle")) bundledExtensions.push(name);
    const pairs = extensionKeys.flatMap((key) => {
      const entry = fields.get(key);
      if (entry === undefined) return [];
      return [[key, entry.node.kind === "boolean" ? String(entry.boolean()) : entry.text()] as const];
    });
    const directory = fields.required("directory");
    if ((splitRelativePath(directory.text()) ?? []).length === 0) directory.fail("a relative path without '..'");
    fields.done();
    extensions.set(name, pairs);
  }
  return { extensions, removeExtensions, bundledExtensions };
}

/** The points of the app, and those that are there only while it is built. */
export function decodeAllExtensions(
  fields: Fields,
): Pick<Manifest, "extensions" | "buildExtensions" | "removeExtensions" | "bundledExtensions"> {
  const app = decodeExtensions(fields.get("add-extensions"));
  const build = decodeExtensions(fields.get("add-build-extensions"));
  return {
    ...app,
    buildExtensions: build.extensions,
    removeExtensions: [...app.removeExtensions, ...build.removeExtensions],
  };
}

function decodeNamed(value: Value): Named {
  const name = value.text();
  if (!isValidId(name)) value.fail("an id of three or more elements with dots between, as org.example.Extension");
  return { name, where: `${value.source.locate(value.node.at)}: ${value.path}` };
}

function decodeNames(value: Value | undefined): readonly Named[] {
  return value?.list().map(decodeNamed) ?? [];
}

/** What is built. */
export function decodeKind(fields: Fields): Manifest["kind"] {
  const isExtension = fields.flag("build-extension");
  const isRuntime = fields.flag("build-runtime");
  if (isExtension && isRuntime) fields.get("build-runtime")?.fail('only one of "build-extension" and "build-runtime"');
  return isExtension ? "extension" : isRuntime ? "runtime" : "app";
}

/** The platform that is derived from a runtime that is built. */
export function decodePlatform(fields: Fields, includer: Includer): Platform | undefined {
  const id = fields.get("id-platform");
  const metadata = fields.get("metadata-platform");
  const extensions = decodeNames(fields.get("platform-extensions"));
  const cleanup = fields.texts("cleanup-platform");
  if (id === undefined) return undefined;
  if (!fields.flag("build-runtime")) id.fail('the key "build-runtime" beside it');
  const { name } = decodeNamed(id);
  return { id: name, extensions, metadata: metadata === undefined ? undefined : includer.path(metadata), cleanup };
}

/** What the build starts from besides runtime and Sdk. `branch` is the manifest's own. */
export function decodeParts(
  fields: Fields,
  branch: string | undefined,
): Pick<
  Manifest,
  | "sdkCommit"
  | "runtimeCommit"
  | "base"
  | "sdkExtensions"
  | "inheritExtensions"
  | "inheritSdkExtensions"
  | "extensionTag"
> {
  return {
    sdkCommit: decodeCommit(fields.get("sdk-commit")),
    runtimeCommit: decodeCommit(fields.get("runtime-commit")),
    base: decodeBase(fields, branch),
    sdkExtensions: decodeNames(fields.get("sdk-extensions")),
    inheritExtensions: decodeNames(fields.get("inherit-extensions")),
    inheritSdkExtensions: decodeNames(fields.get("inherit-sdk-extensions")),
    extensionTag: fields.text("extension-tag"),
  };
}

function decodeCommit(value: Value | undefined): string | undefined {
  const text = value?.text();
  if (value !== undefined && !/^[0-9a-f]{64}$/.test(text ?? "")) value.fail("a commit of 64 hex digits");
  return text;
}

function decodeBase(fields: Fields, branch: string | undefined): BaseApp | undefined {
  const base = fields.get("base");
  const version = fields.get("base-version");
  const commit = decodeCommit(fields.get("base-commit"));
  const extensions = decodeNames(fields.get("base-extensions"));
  if (base === undefined) return undefined;
  if (version !== undefined && !isValidBranch(version.text())) version.fail("the name of a branch");
  return { ...decodeNamed(base), branch: version?.text() ?? branch ?? "master", commit, extensions };
}
