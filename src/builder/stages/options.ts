// SPDX-License-Identifier: Apache-2.0
import { type BuildOptions, type FlagName, flagNames, type PathName, pathNames } from "../manifest/types.ts";

/** Build options of all scopes, merged, weakest first: Sdk defaults, global, global for the arch, module, module for the arch. */
export interface MergedOptions {
  readonly prefix: string;
  readonly libdir: string | undefined;
  readonly flags: ReadonlyMap<FlagName, string>;
  /** null unsets the variable. */
  readonly env: ReadonlyMap<string, string | null>;
  readonly secretEnv: readonly string[];
  readonly prepend: ReadonlyMap<PathName, string>;
  readonly append: ReadonlyMap<PathName, string>;
  readonly buildArgs: readonly string[];
  readonly testArgs: readonly string[];
  readonly configOpts: readonly string[];
  /** Not yet filled in. */
  readonly secretOpts: readonly string[];
  readonly makeArgs: readonly string[];
  readonly makeInstallArgs: readonly string[];
  readonly strip: boolean;
  readonly noDebuginfo: boolean;
}

/** Flags accumulate with a space between unless `X-override` starts anew; lists accumulate; of variables the last wins. */
export function mergeOptions(scopes: readonly BuildOptions[], arch: string, prefix: string): MergedOptions {
  const all = scopes.flatMap((scope) => {
    const own = scope.arch.get(arch);
    return own === undefined ? [scope] : [scope, own];
  });
  const last = <T>(pick: (options: BuildOptions) => T | undefined): T | undefined =>
    all.map(pick).findLast((value) => value !== undefined);
  const lists = (pick: (options: BuildOptions) => readonly string[]): readonly string[] => all.flatMap(pick);
  return {
    prefix: last((options) => options.prefix) ?? prefix,
    libdir: last((options) => options.libdir),
    flags: mergeFlags(all),
    env: new Map(all.flatMap((options) => [...options.env])),
    secretEnv: lists((options) => options.secretEnv),
    prepend: mergePaths(all.map((options) => options.prepend).reverse()),
    append: mergePaths(all.map((options) => options.append)),
    buildArgs: lists((options) => options.buildArgs),
    testArgs: lists((options) => options.testArgs),
    configOpts: lists((options) => options.configOpts),
    secretOpts: lists((options) => options.secretOpts),
    makeArgs: lists((options) => options.makeArgs),
    makeInstallArgs: lists((options) => options.makeInstallArgs),
    strip: last((options) => options.strip) ?? false,
    noDebuginfo: last((options) => options.noDebuginfo) ?? false,
  };
}

function mergeFlags(all: readonly BuildOptions[]): ReadonlyMap<FlagName, string> {
  const result = new Map<FlagName, string>();
  for (const name of flagNames) {
    // Flags for cgo go on from the ordinary ones.
    const ordinary = name.startsWith("cgo-") ? result.get(name.slice("cgo-".length) as FlagName) : undefined;
    let text = ordinary;
    for (const { flags } of all) {
      const flag = flags[name];
      if (flag === undefined) continue;
      text = text === undefined || flag.override ? flag.text : `${text} ${flag.text}`;
    }
    if (text !== undefined && text !== ordinary) result.set(name, text);
  }
  return result;
}

function mergePaths(all: readonly Partial<Readonly<Record<PathName, string>>>[]): ReadonlyMap<PathName, string> {
  const result = new Map<PathName, string>();
  for (const name of pathNames) {
    const parts = all.flatMap((paths) => paths[name] ?? []);
    if (parts.length > 0) result.set(name, parts.join(":"));
  }
  return result;
}
