// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../../base/arch.ts";
import { isDowelError } from "../../base/errors.ts";
import { parseJson } from "../../formats/document/json.ts";
import { SourceText } from "../../formats/document/node.ts";
import { Value } from "../../formats/document/value.ts";
import { parseYaml } from "../../formats/document/yaml.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { formatOverrides } from "../../metadata/overrides.ts";
import { compilePattern } from "../../metadata/pattern.ts";
import { readPermissions } from "../../metadata/permissions/codec.ts";
import { formatRef, isValidId, parsePartialRef } from "../../metadata/ref.ts";
import { parseLocation } from "../../remotes/location.ts";
import { isRemoteName } from "../../remotes/settings.ts";
import { checkConfig, configKeys } from "../config.ts";
import { remoteDefaults, remoteKeys, type State, type StatedRemote } from "./types.ts";

/** Does something that may throw about a value; the message then says where the value stands. */
function at<T>(value: Value, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isDowelError(error)) throw error;
    return value.source.fail(value.node.at, `${value.path}: ${error.message}`, error.hint);
  }
}

function decodeRemote(value: Value): StatedRemote {
  const fields = value.fields();
  const result: Record<string, string | number | boolean> = { ...remoteDefaults };
  const url = fields.required("url");
  const location = url.text();
  at(url, () => parseLocation(location));
  for (const key of Object.keys(remoteKeys)) {
    const found = fields.get(key);
    if (found === undefined) continue;
    const kind = typeof remoteDefaults[key];
    result[key] = kind === "number" ? found.size() : kind === "boolean" ? found.boolean() : found.text();
  }
  fields.done();
  return result;
}

function decodeRemotes(value: Value): ReadonlyMap<string, StatedRemote> {
  return new Map(
    value
      .fields()
      .pairs()
      .map(([name, remote]) => {
        if (!isRemoteName(name)) remote.fail("a name of letters, digits, _ . - before it");
        return [name, decodeRemote(remote)];
      }),
  );
}

/** `[app|runtime/]ID/[ARCH]/BRANCH`; an app of this machine's architecture where the ref does not say. */
function decodeRef(value: Value): string {
  const text = value.text();
  const { kind = "app", id, arch = hostArch(), branch } = at(value, () => parsePartialRef(text));
  if (branch === undefined) return value.fail("a ref with a branch, such as app/org.example.App//stable");
  return formatRef({ kind, id, arch, branch });
}

function decodeRefs(value: Value): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  for (const item of value.list()) {
    const fields = item.fields();
    const named = fields.required("ref");
    const ref = decodeRef(named);
    if (result.has(ref)) named.fail(`each ref once; ${ref} stands above already`);
    result.set(ref, fields.required("remote").text());
    fields.done();
  }
  return result;
}

function decodePatterns(value: Value): readonly string[] {
  return value.list().map((item) => {
    const text = item.text();
    at(item, () => compilePattern(text));
    return text;
  });
}

function decodeOverrides(value: Value): ReadonlyMap<string, string> {
  return new Map(
    value
      .fields()
      .pairs()
      .map(([id, text]) => {
        const name = id.split("@")[0] ?? "";
        if (id !== "global" && !isValidId(name)) text.fail(`an id or "global" before it`);
        const keyfile = text.text();
        return [id, at(text, () => formatOverrides(readPermissions(parseKeyfile(keyfile, "overrides"))))];
      }),
  );
}

function decodeConfig(value: Value): ReadonlyMap<string, string> {
  return new Map(
    value
      .fields()
      .pairs()
      .map(([key, text]) => {
        if (!configKeys.includes(key)) text.fail(`one of the keys ${configKeys.join(", ")} before it`);
        const setting = text.text();
        at(text, () => checkConfig(key, setting));
        return [key, setting];
      }),
  );
}

/**
 * Reads a state file, JSON or YAML by its first character. Throws `SCHEMA`, `JSON_SYNTAX` and the like as
 * `FILE:LINE:COLUMN: …`.
 */
export function decodeState(text: string, file: string): State {
  const source = new SourceText(file, text, "SCHEMA");
  const node = text.trimStart().startsWith("{") ? parseJson(source) : parseYaml(source);
  const fields = new Value(source, node, "").fields();
  const version = fields.required("version");
  if (version.size() !== 1) version.fail("1, the version of state files that this program knows");
  const part = <T>(key: string, decode: (value: Value) => T): T | undefined => {
    const value = fields.get(key);
    return value === undefined ? undefined : decode(value);
  };
  const state = {
    remotes: part("remotes", decodeRemotes),
    refs: part("refs", decodeRefs),
    pins: part("pins", decodePatterns),
    masks: part("masks", decodePatterns),
    overrides: part("overrides", decodeOverrides),
    config: part("config", decodeConfig),
  };
  fields.done();
  return Object.fromEntries(Object.entries(state).filter(([, value]) => value !== undefined)) as State;
}
