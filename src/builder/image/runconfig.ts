// SPDX-License-Identifier: Apache-2.0
import type { Metadata } from "../../metadata/metadata.ts";
import type { ImageConfig } from "../../oci/config.ts";
import { fileAt, type Tree } from "../tree/types.ts";

export type RunConfig = Pick<ImageConfig, "env" | "entrypoint" | "command">;

export const noRunConfig: RunConfig = { env: [], entrypoint: [], command: [] };

function variables(...metadata: readonly Pick<Metadata, "permissions">[]): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  for (const { permissions } of metadata) {
    for (const [name, value] of permissions.environment) {
      if (value === undefined) result.delete(name);
      else result.set(name, value);
    }
  }
  return result;
}

function textOf(...maps: readonly ReadonlyMap<string, string>[]): readonly string[] {
  return [...new Map(maps.flatMap((map) => [...map]))].map(([name, value]) => `${name}=${value}`);
}

/** How a container of a runtime starts: with a shell, where it has one. */
export function runtimeConfig(metadata: Metadata, root: Tree): RunConfig {
  const hasShell = ["usr/bin/sh", "usr/bin/bash"].some((path) => root.has(path));
  const base = new Map([["PATH", "/usr/bin:/usr/sbin"]]);
  const env = textOf(base, variables(metadata));
  return { env, entrypoint: [], command: hasShell ? ["/bin/sh"] : [] };
}

/** How a container of an app starts, with its runtime below it or mounted beside it: with the app's command. */
export function appConfig(metadata: Metadata, runtime: Metadata | undefined, app: Tree): RunConfig {
  const folders = ["app/lib", "app/lib64"].filter((path) => app.get(path)?.kind === "directory");
  const base = new Map([
    ["PATH", "/app/bin:/usr/bin"],
    ["XDG_CONFIG_DIRS", "/app/etc/xdg:/etc/xdg"],
    ["XDG_DATA_DIRS", "/app/share:/usr/share"],
    ...(folders.length === 0 ? [] : [["LD_LIBRARY_PATH", folders.map((path) => `/${path}`).join(":")] as const]),
  ]);
  const { command } = metadata;
  const whole =
    command !== undefined && fileAt(app, `app/bin/${command}`) !== undefined ? `/app/bin/${command}` : command;
  const env = textOf(base, variables(...(runtime === undefined ? [] : [runtime]), metadata));
  return { env, entrypoint: whole === undefined ? [] : [whole], command: [] };
}
