// SPDX-License-Identifier: Apache-2.0

import type { Fields, Value } from "../../formats/document/value.ts";
import { type BuildOptions, type FlagName, flagNames, type PathName, pathNames } from "./types.ts";

const noOptions: BuildOptions = {
  flags: {},
  append: {},
  prepend: {},
  prefix: undefined,
  libdir: undefined,
  env: new Map(),
  secretEnv: [],
  buildArgs: [],
  testArgs: [],
  configOpts: [],
  secretOpts: [],
  makeArgs: [],
  makeInstallArgs: [],
  strip: undefined,
  noDebuginfo: undefined,
  arch: new Map(),
};

/** Reads `build-options`; `arch` is not read again inside an architecture's own options. */
export function decodeBuildOptions(value: Value | undefined, inner = false): BuildOptions {
  if (value === undefined) return noOptions;
  const fields = value.fields();
  fields.get("no-debuginfo-compression");
  const options: BuildOptions = {
    flags: decodeFlags(fields),
    append: decodePaths(fields, "append"),
    prepend: decodePaths(fields, "prepend"),
    prefix: absolute(fields.get("prefix")),
    libdir: absolute(fields.get("libdir")),
    env: decodeEnv(fields.get("env")),
    secretEnv: fields.texts("secret-env"),
    buildArgs: fields.texts("build-args"),
    testArgs: fields.texts("test-args"),
    configOpts: fields.texts("config-opts"),
    secretOpts: fields.texts("secret-opts"),
    makeArgs: fields.texts("make-args"),
    makeInstallArgs: fields.texts("make-install-args"),
    strip: fields.get("strip")?.boolean(),
    noDebuginfo: fields.get("no-debuginfo")?.boolean(),
    arch: inner ? new Map() : decodeArches(fields.get("arch")),
  };
  fields.done();
  return options;
}

/** Reads `defaults.json` of an Sdk: only flags count for apps, and what else is there is left alone. */
export function decodeSdkDefaults(value: Value | undefined): BuildOptions {
  return value === undefined ? noOptions : { ...noOptions, flags: decodeFlags(value.fields()) };
}

function absolute(value: Value | undefined): string | undefined {
  const text = value?.text();
  if (value !== undefined && text !== undefined && !/^\/[^\0]*$/.test(text)) return value.fail("an absolute path");
  return text;
}

function decodeFlags(fields: Fields): BuildOptions["flags"] {
  const result: { [P in FlagName]?: { text: string; override: boolean } } = {};
  for (const name of flagNames) {
    const text = fields.text(name);
    const override = fields.flag(`${name}-override`);
    if (text !== undefined || override) result[name] = { text: text ?? "", override };
  }
  return result;
}

function decodePaths(fields: Fields, how: "append" | "prepend"): Partial<Record<PathName, string>> {
  const result: Partial<Record<PathName, string>> = {};
  for (const name of pathNames) {
    const text = fields.text(`${how}-${name}`);
    if (text !== undefined) result[name] = text;
  }
  return result;
}

function decodeEnv(value: Value | undefined): ReadonlyMap<string, string | null> {
  const result = new Map<string, string | null>();
  for (const [name, item] of value?.fields().pairs() ?? []) {
    if (!/^[^=\0]+$/.test(name)) item.fail("the name of a variable without '='");
    const text = item.node.kind === "null" ? null : item.text();
    if (text?.includes("\0") === true) item.fail("text without NUL");
    result.set(name, text);
  }
  return result;
}

function decodeArches(value: Value | undefined): ReadonlyMap<string, BuildOptions> {
  const pairs = value?.fields().pairs() ?? [];
  return new Map(pairs.map(([arch, item]) => [arch, decodeBuildOptions(item, true)]));
}
