// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from "node:fs";
import { Decoder } from "../../base/decode.ts";
import { errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { type Variant, variant } from "../../formats/dbus/types.ts";
import { portalErrors } from "./errors.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { fileChanges } from "./source.ts";

const shape = {
  name: "org.freedesktop.portal.Settings",
  methods: {
    ReadAll: { in: "as namespaces", out: "a{sa{sv}} value" },
    Read: { in: "s namespace, s key", out: "v value" },
    ReadOne: { in: "s namespace, s key", out: "v value" },
  },
  signals: { SettingChanged: "s namespace, s key, v value" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

type Settings = ReadonlyMap<string, ReadonlyMap<string, Variant>>;

const appearance = "org.freedesktop.appearance";
/** Keys of the appearance that are numbers (portal documentation, "Settings"): 0 is no preference. */
const preferences = ["color-scheme", "contrast", "reduced-motion"];
const defaults: Settings = new Map([[appearance, new Map(preferences.map((key) => [key, variant("u", 0)]))]]);

function settingOf(decoder: Decoder, namespace: string, key: string, value: unknown): Variant {
  const at = `${namespace}.${key}`;
  if (namespace === appearance && preferences.includes(key)) return variant("u", decoder.size(value, at) >>> 0);
  if (namespace === appearance && key === "accent-color") {
    const parts = decoder.array(value, at).filter((part) => typeof part === "number");
    const [red = 0, green = 0, blue = 0] = parts.length === 3 ? parts : decoder.fail(at, "three numbers from 0 to 1");
    return variant("(ddd)", [red, green, blue]);
  }
  if (typeof value === "string") return variant("s", value);
  if (typeof value === "boolean") return variant("b", value);
  if (Array.isArray(value))
    return variant(
      "as",
      value.map((one) => decoder.string(one, at)),
    );
  if (typeof value !== "number") decoder.fail(at, "a text, a number, true, false or a list of texts");
  return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? variant("i", value) : variant("d", value);
}

/** Reads `{NAMESPACE: {KEY: VALUE}}`. Throws `POLICY_INVALID`. @param name in errors */
export function parseSettings(text: string, name: string): Settings {
  const decoder = new Decoder("POLICY_INVALID", name);
  const namespaces = Object.entries(decoder.object(decoder.parse(text), ""));
  return new Map(
    namespaces.map(([namespace, keys]) => [
      namespace,
      new Map(
        Object.entries(decoder.object(keys, namespace)).map(([key, value]) => [
          key,
          settingOf(decoder, namespace, key, value),
        ]),
      ),
    ]),
  );
}

function readSettings(path: string): Settings {
  try {
    if (statSync(path).size > limits.policyBytes) throw new Error(`more than ${limits.policyBytes} bytes`);
    return parseSettings(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return new Map();
    throw fileError(error, "read", path);
  }
}

function merge(all: readonly Settings[]): Settings {
  const merged = new Map<string, Map<string, Variant>>();
  for (const [namespace, keys] of all.flatMap((one) => [...one])) {
    merged.set(namespace, new Map([...(merged.get(namespace) ?? []), ...keys]));
  }
  return merged;
}

function isWanted(namespace: string, patterns: readonly string[]): boolean {
  if (patterns.length === 0) return true;
  return patterns.some(
    (one) => one === "" || one === namespace || (one.endsWith("*") && namespace.startsWith(one.slice(0, -1))),
  );
}

function changes(before: Settings, now: Settings): (readonly [string, string, Variant])[] {
  return [...now].flatMap(([namespace, keys]) =>
    [...keys]
      .filter(
        ([key, value]) =>
          !process.getBuiltinModule("node:util").isDeepStrictEqual(before.get(namespace)?.get(key), value),
      )
      .map(([key, value]) => [namespace, key, value] as const),
  );
}

/** How things look, from the maker's file and the user's own, which counts more. */
export function settingsPortal({ loop, environment, failed }: BackendServices) {
  const configuration = environment["XDG_CONFIG_HOME"] || `${environment["HOME"] ?? ""}/.config`;
  const paths = ["/etc/dowel/settings.json", `${configuration}/dowel/settings.json`];
  const read = (path: string): Settings => {
    try {
      return readSettings(path);
    } catch (error) {
      failed(error);
      return new Map();
    }
  };
  const current = (): Settings => merge([defaults, ...paths.map(read)]);
  const source = fileChanges(loop, paths);
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    let known = current();
    const look = (): void => {
      const now = current();
      for (const change of changes(known, now)) emit(shape, "SettingChanged", change);
      known = now;
    };
    source.listen(look, ended);
    const one = (namespace: string, key: string): Variant => {
      const value = known.get(namespace)?.get(key);
      if (value !== undefined) return value;
      throw new BusCallError(portalErrors.notFound, "Requested setting not found");
    };
    return {
      methods: {
        ReadAll: (_call, namespaces) => [new Map([...known].filter(([name]) => isWanted(name, namespaces)))],
        // Once in a variant too much, since the first version of the interface.
        Read: (_call, namespace, key) => [variant("v", one(namespace, key))],
        ReadOne: (_call, namespace, key) => [one(namespace, key)],
      },
      properties: { version: () => 2 },
    };
  });
}
