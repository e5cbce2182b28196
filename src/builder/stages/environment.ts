// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { PathName } from "../manifest/types.ts";
import type { MergedOptions } from "./options.ts";

/** Times in builds come from this moment unless the manifest has `source-date-epoch`: 2011-11-11, as flatpak-builder has it. */
export const defaultSourceDateEpoch = 1_321_009_871;

export interface EnvironmentInput {
  readonly id: string;
  readonly arch: string;
  readonly options: MergedOptions;
  readonly jobs: number;
  readonly epoch: number;
  readonly buildFolder: string;
  /** Folders of libraries that extensions bring. */
  readonly libraryPaths: readonly string[];
}

const basePaths: Readonly<Record<PathName, { readonly variable: string; readonly value: string }>> = {
  path: { variable: "PATH", value: "/app/bin:/usr/bin" },
  "ld-library-path": { variable: "LD_LIBRARY_PATH", value: "/app/lib" },
  "pkg-config-path": {
    variable: "PKG_CONFIG_PATH",
    value: "/app/lib/pkgconfig:/app/share/pkgconfig:/usr/lib/pkgconfig:/usr/share/pkgconfig",
  },
};

/** The whole environment of a build command, as `flatpak build` and flatpak-builder make it. Nothing of the host's gets in. */
export function buildEnvironment(input: EnvironmentInput): ReadonlyMap<string, string> {
  const { options } = input;
  const result = new Map<string, string>([
    ["FLATPAK_ID", input.id],
    ["FLATPAK_ARCH", input.arch],
    ["FLATPAK_DEST", options.prefix],
    ["FLATPAK_BUILDER_N_JOBS", String(input.jobs)],
    ["FLATPAK_BUILDER_BUILDDIR", input.buildFolder],
    ["SOURCE_DATE_EPOCH", String(input.epoch)],
    ["HOME", "/tmp"],
    ["TMPDIR", "/var/tmp"],
    ["LC_ALL", "C.UTF-8"],
    ["ACLOCAL_PATH", "/app/share/aclocal"],
    ["C_INCLUDE_PATH", "/app/include"],
    ["CPLUS_INCLUDE_PATH", "/app/include"],
    ["LDFLAGS", "-L/app/lib"],
    ["XDG_DATA_DIRS", "/app/share:/usr/share"],
    ["XDG_CONFIG_DIRS", "/app/etc/xdg:/etc/xdg"],
  ]);
  for (const [name, text] of options.flags) result.set(name.toUpperCase().replaceAll("-", "_"), text);
  for (const [name, value] of options.env) {
    if (value === null) result.delete(name);
    else result.set(name, value);
  }
  for (const [name, { variable, value }] of Object.entries(basePaths) as [PathName, (typeof basePaths)[PathName]][]) {
    const own = name === "ld-library-path" ? input.libraryPaths : [];
    const parts = [options.prepend.get(name), result.get(variable) ?? value, ...own, options.append.get(name)];
    result.set(variable, parts.filter((part) => part !== undefined && part !== "").join(":"));
  }
  return result;
}

/** Variables of the host that the manifest asks for by name; they count neither for the cache nor in messages. */
export function secretVariables(names: readonly string[]): readonly (readonly [string, string])[] {
  return names.map((name) => [name, secret(name, "secret-env")] as const);
}

function secret(name: string, key: string): string {
  const value = process.env[name];
  if (value !== undefined) return value;
  throw new DowelError("BUILD_FAILED", `The variable ${name}, which ${key} names, is not set`);
}

/** Options with `$NAME` and `${NAME}` replaced by variables of the host. Throws `BUILD_FAILED` for one that is not set. */
export function fillSecrets(options: readonly string[]): readonly string[] {
  return options.map((option) =>
    option.replace(/\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/g, (_all, plain?: string, braced?: string) =>
      secret(plain ?? braced ?? "", "secret-opts"),
    ),
  );
}
