// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";

/** Where an installation lies. Only `user` is the caller's own; the others belong to root. */
export interface InstallationPlace {
  /** `user`, `default` (the system's), or the name that its file in `installations.d` gives. */
  readonly name: string;
  readonly kind: "user" | "system";
  readonly path: string;
  readonly displayName?: string;
  /** Higher is asked first. */
  readonly priority: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/** `$DOWEL_USER_DIR`, else `$XDG_DATA_HOME/dowel`, else `~/.local/share/dowel`. Relative values count as unset. */
export function userPlace(environment: Environment = process.env): InstallationPlace {
  const data = absolute(environment["XDG_DATA_HOME"]) ?? join(environment["HOME"] ?? homedir(), ".local/share");
  const path = absolute(environment["DOWEL_USER_DIR"]) ?? join(data, "dowel");
  return { name: "user", kind: "user", path, priority: 1 };
}

/** `$DOWEL_SYSTEM_DIR`, else `/var/lib/dowel`. */
export function systemPlace(environment: Environment = process.env): InstallationPlace {
  const path = absolute(environment["DOWEL_SYSTEM_DIR"]) ?? "/var/lib/dowel";
  return { name: "default", kind: "system", path, priority: 0 };
}

/**
 * The installations that `FOLDER/*.conf` name, in the form of flatpak-installation(5): groups `[Installation "NAME"]`
 * with `Path`, `DisplayName`, `Priority`. A later file wins.
 */
export function namedPlaces(folder = "/etc/dowel/installations.d"): InstallationPlace[] {
  const places = new Map<string, InstallationPlace>();
  for (const file of configurationFiles(folder)) {
    const path = join(folder, file);
    for (const place of readPlaces(path)) places.set(place.name, place);
  }
  return [...places.values()];
}

/** The place that `--installation=NAME` means. Throws `USAGE` for a name that nothing configures. */
export function namedPlace(name: string, folder?: string): InstallationPlace {
  const places = namedPlaces(folder);
  const place = places.find((candidate) => candidate.name === name);
  if (place !== undefined) return place;
  const known = places.map((candidate) => candidate.name).join(", ");
  throw new DowelError("USAGE", `There is no installation named ${JSON.stringify(name)}`, {
    hint: known === "" ? "None is configured in /etc/dowel/installations.d." : `There are: ${known}.`,
  });
}

function configurationFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".conf"))
      .sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError(error, "read", folder);
  }
}

function* readPlaces(file: string): Generator<InstallationPlace> {
  const keyfile = parseKeyfile(readFileSync(file), file);
  for (const group of keyfile.groups()) {
    const name = /^Installation "([A-Za-z0-9_.-]+)"$/.exec(group)?.[1];
    if (name === undefined) continue;
    const path = absolute(keyfile.get(group, "Path"));
    if (path === undefined) throw new DowelError("SCHEMA", `${file}: [${group}] Path must be an absolute path`);
    const displayName = keyfile.get(group, "DisplayName");
    const priority = Number.parseInt(keyfile.get(group, "Priority") ?? "0", 10);
    yield {
      name,
      kind: "system",
      path,
      priority: Number.isNaN(priority) ? 0 : priority,
      ...(displayName === undefined ? {} : { displayName }),
    };
  }
}
