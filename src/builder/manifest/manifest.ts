// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import type { Fields, Value } from "../../formats/document/value.ts";
import { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { isValidArch, isValidBranch, isValidId } from "../../metadata/ref.ts";
import { decodeAllExtensions, decodeKind, decodeParts, decodePlatform } from "./extensions.ts";
import { applyFinishArgs } from "./finishargs.ts";
import { Includer, readDocument } from "./include.ts";
import { decodeModules } from "./module.ts";
import { decodeBuildOptions } from "./options.ts";
import type { Manifest } from "./types.ts";

/** Reads a manifest and the files it includes. Throws `MANIFEST_INVALID` (`FILE:LINE:COLUMN: KEY: expected …`) or `UNSUPPORTED`. */
export function loadManifest(path: string, onInclude?: (file: string) => void): Manifest {
  const file = resolve(path);
  return decodeManifest(readDocument(file, path), new Includer([file], onInclude), file);
}

function decodeManifest(document: Value, includer: Includer, file: string): Manifest {
  const fields = document.fields();
  fields.unsupported(...unsupportedKeys);
  const kind = decodeKind(fields);
  const { id, branch, defaultBranch, runtime, runtimeVersion, sdk } = decodeNames(fields);
  const metadata = fields.get("metadata");
  // The labels are made of metainfo as it is, so nothing is composed either way.
  fields.flag("appstream-compose", true);
  const manifest: Manifest = {
    file,
    id,
    kind,
    platform: decodePlatform(fields, includer),
    branch,
    defaultBranch,
    runtime,
    runtimeVersion,
    sdk,
    ...decodeParts(fields, branch),
    command: fields.text("command"),
    metadata: metadata === undefined ? undefined : includer.path(metadata),
    buildOptions: decodeBuildOptions(fields.get("build-options")),
    modules: decodeModules(fields.required("modules"), includer),
    cleanup: fields.texts("cleanup"),
    cleanupCommands: fields.texts("cleanup-commands"),
    finishArgs: decodeFinishArgs(fields.get("finish-args")),
    tags: fields.texts("tags"),
    ...decodeAllExtensions(fields),
    separateLocales: fields.flag("separate-locales", true),
    ...decodeExportChanges(fields),
    sourceDateEpoch: fields.get("source-date-epoch")?.size(),
    warnings: warnings(fields),
  };
  fields.done();
  return manifest;
}

type ExportChanges = Pick<
  Manifest,
  | "renameDesktopFile"
  | "renameAppdataFile"
  | "appdataLicense"
  | "renameMimeFile"
  | "renameMimeIcons"
  | "renameIcon"
  | "copyIcon"
  | "desktopNamePrefix"
  | "desktopNameSuffix"
>;

/** How what the desktop is to see is called, and what it says. */
function decodeExportChanges(fields: Fields): ExportChanges {
  return {
    renameDesktopFile: plainName(fields.get("rename-desktop-file")),
    renameAppdataFile: plainName(fields.get("rename-appdata-file")),
    appdataLicense: fields.text("appdata-license"),
    renameMimeFile: plainName(fields.get("rename-mime-file")),
    renameMimeIcons: (fields.get("rename-mime-icons")?.list() ?? []).map((item) => plainName(item) ?? ""),
    renameIcon: plainName(fields.get("rename-icon")),
    copyIcon: fields.flag("copy-icon"),
    desktopNamePrefix: fields.text("desktop-file-name-prefix"),
    desktopNameSuffix: fields.text("desktop-file-name-suffix"),
  };
}

/** The options, each tried alone, so that a wrong one is found before anything is built. */
function decodeFinishArgs(value: Value | undefined): readonly string[] {
  return (value?.list() ?? []).map((item) => {
    const option = item.text();
    try {
      applyFinishArgs(new Keyfile(), [option]);
    } catch (error) {
      if (!isDowelError(error, "PERMISSION_INVALID") && !isDowelError(error, "REF_INVALID")) throw error;
      item.source.fail(item.node.at, `${item.path}: ${error.message}`, error.hint);
    }
    return option;
  });
}

const unsupportedKeys = ["cleanup-platform-commands", "prepare-platform-commands", "var", "writable-sdk"] as const;

const ignoredKeys = ["collection-id", "token-type"] as const;

function warnings(fields: Fields): readonly string[] {
  return ignoredKeys.flatMap((key) => {
    const value = fields.get(key);
    return value === undefined ? [] : [`${value.source.locate(value.node.at)}: ${key}: this key has no effect`];
  });
}

function decodeNames(
  fields: Fields,
): Pick<Manifest, "id" | "branch" | "defaultBranch" | "runtime" | "runtimeVersion" | "sdk"> {
  const old = fields.get("app-id");
  const id = fields.get("id") ?? old ?? fields.required("id");
  if (old !== undefined && id !== old) old.fail('only one of "id" and "app-id"');
  checkName(id, isValidId, "an id of three or more elements with dots between, as org.example.App");
  const branch = fields.get("branch");
  const defaultBranch = fields.get("default-branch");
  const version = fields.get("runtime-version");
  for (const value of [branch, defaultBranch, version]) {
    if (value !== undefined) checkName(value, isValidBranch, "the name of a branch");
  }
  const runtime = fields.required("runtime");
  checkName(runtime, isValidId, "the id of a runtime");
  const sdk = fields.required("sdk");
  checkName(sdk, isValidSdk, "the id of an Sdk, or ID/ARCH/BRANCH with parts left empty");
  return {
    id: id.text(),
    branch: branch?.text(),
    defaultBranch: defaultBranch?.text(),
    runtime: runtime.text(),
    runtimeVersion: version?.text() ?? "master",
    sdk: sdk.text(),
  };
}

function checkName(value: Value, isValid: (text: string) => boolean, expected: string): void {
  if (!isValid(value.text())) value.fail(`${expected}; found ${JSON.stringify(value.text())}`);
}

function isValidSdk(text: string): boolean {
  const [id = "", arch = "", branch = "", ...rest] = text.split("/");
  if (rest.length > 0 || (arch !== "" && !isValidArch(arch))) return false;
  return isValidId(id) && (branch === "" || isValidBranch(branch));
}

/** A file name without folders, as the `rename-*` keys have it. */
function plainName(value: Value | undefined): string | undefined {
  const text = value?.text();
  if (value !== undefined && text !== undefined && !/^[^/\0]+$/.test(text)) return value.fail("the name of a file");
  return text;
}
