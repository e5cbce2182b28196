// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, fileError } from "../../base/errors.ts";
import { formatOverrides, overridesPath, readOverrides } from "../../metadata/overrides.ts";
import { formatRef } from "../../metadata/ref.ts";
import { listRemotes } from "../../remotes/config.ts";
import type { Remote } from "../../remotes/types.ts";
import { listDeployments } from "../../store/deployments.ts";
import type { Installation } from "../../store/installation.ts";
import { configKeys, getConfig } from "../config.ts";
import { listPatterns } from "../patterns.ts";
import { remoteKeys, type State, type StatedRemote } from "./types.ts";

function statedRemote(remote: Remote): StatedRemote {
  const pairs = Object.entries(remoteKeys).flatMap(([key, name]) => {
    const value = remote[name];
    return value === undefined ? [] : [[key, value]];
  });
  return Object.fromEntries(pairs);
}

function readAllOverrides(installation: Installation): ReadonlyMap<string, string> {
  const folder = dirname(overridesPath(installation.path, undefined));
  const result = new Map<string, string>();
  for (const name of names(folder)) {
    const text = formatOverrides(readOverrides([`${folder}/${name}`]));
    if (text !== "") result.set(name, text);
  }
  return result;
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError(error, "read", folder);
  }
}

/** All of the state of an installation that a state file can say: apps, and the runtimes that are pinned by name. */
export function readState(installation: Installation): Required<State> {
  const pins = listPatterns(installation, "pinned");
  const deployments = listDeployments(installation).filter(
    ({ ref }) => ref.kind === "app" || pins.includes(formatRef(ref)),
  );
  const config = configKeys.flatMap((key): [string, string][] => {
    const value = getConfig(installation, key);
    return value === undefined ? [] : [[key, value]];
  });
  return {
    remotes: new Map(listRemotes(installation).map((remote) => [remote.name, statedRemote(remote)])),
    refs: new Map(deployments.map(({ ref, origin }) => [formatRef(ref), origin])),
    pins,
    masks: listPatterns(installation, "masked"),
    overrides: readAllOverrides(installation),
    config: new Map(config),
  };
}

/** The state as a plain value for JSON and YAML; `decodeState` reads it back. */
export function plainState(state: Required<State>): unknown {
  return {
    version: 1,
    remotes: Object.fromEntries(state.remotes),
    refs: [...state.refs].map(([ref, remote]) => ({ ref, remote })),
    pins: state.pins,
    masks: state.masks,
    overrides: Object.fromEntries(state.overrides),
    config: Object.fromEntries(state.config),
  };
}
