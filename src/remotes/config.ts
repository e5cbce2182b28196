// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { Keyfile } from "../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { noteRemote } from "../store/journal.ts";
import { writeFileDurably } from "../sys/durability.ts";
import { lockFile } from "../sys/locks.ts";
import { readPlainFile } from "../sys/plainfile.ts";
import { readFilter } from "./filter.ts";
import { removeCachedCatalogue } from "./indexcache.ts";
import { formatLocation, parseLocation } from "./location.ts";
import { applyPredefined } from "./predefined.ts";
import {
  checkRemoteName,
  type RemoteSettings,
  readSettings,
  remoteNames,
  removeSettings,
  writeSettings,
} from "./settings.ts";
import { suggestNames } from "./suggest.ts";
import type { Remote } from "./types.ts";

/** The installation whose remotes are meant. */
type Home = Pick<Installation, "path" | "name" | "kind">;

function configPath(installation: Home): string {
  return join(installation.path, "remotes.conf");
}

function readConfig(installation: Home): Keyfile {
  const path = configPath(installation);
  let bytes: Uint8Array = new Uint8Array();
  try {
    bytes = readPlainFile(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "read", path);
  }
  const keyfile = bytes.length === 0 ? new Keyfile() : parseKeyfile(bytes, path);
  applyPredefined(keyfile, installation);
  return keyfile;
}

/** Changes the configuration of an installation under its lock; nothing is written where `change` throws. */
async function changeConfig<T>(
  installation: Home,
  change: (keyfile: Keyfile) => T,
  signal: AbortSignal | undefined,
): Promise<T> {
  const path = configPath(installation);
  try {
    mkdirSync(installation.path, { recursive: true });
    using _lock = await lockFile(`${path}.lock`, { exclusive: true, signal });
    const keyfile = readConfig(installation);
    const result = change(keyfile);
    const text = keyfile.toString();
    const before = existsSync(path) ? readFileSync(path, "utf8") : "";
    if (text !== before) writeFileDurably(path, text);
    return result;
  } catch (error) {
    throw fileError(error, "change", path);
  }
}

/** All remotes of an installation, the one with the highest priority first, then by name. */
export function listRemotes(installation: Home): readonly Remote[] {
  const keyfile = readConfig(installation);
  return remoteNames(keyfile)
    .flatMap((name) => readSettings(keyfile, name) ?? [])
    .sort((left, right) => right.priority - left.priority || (left.name < right.name ? -1 : 1));
}

/** One remote of an installation. Throws `REMOTE_NOT_FOUND`. */
export function getRemote(installation: Home, name: string): Remote {
  const keyfile = readConfig(installation);
  const remote = readSettings(keyfile, name);
  if (remote !== undefined) return remote;
  throw remoteNotFound(name, remoteNames(keyfile));
}

function remoteNotFound(name: string, known: readonly string[]): DowelError {
  const near = suggestNames(name, known);
  return new DowelError("REMOTE_NOT_FOUND", `There is no remote ${JSON.stringify(name)}`, {
    hint: near.length > 0 ? `Did you mean ${near.join(" or ")}?` : "Add it with remote-add NAME LOCATION.",
  });
}

export interface AddOptions {
  /** Leave a remote of that name as it is, instead of throwing `REMOTE_EXISTS`. */
  readonly ifNotExists?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A remote whose filter cannot be read would offer nothing: that is said before it is kept. */
function checkFilter({ filter }: RemoteSettings): void {
  if (filter !== undefined && filter !== "") readFilter(resolve(filter));
}

/** Adds a remote; false where `ifNotExists` found one. Relative paths in the URL are made absolute. */
export async function addRemote(
  installation: Home,
  name: string,
  settings: RemoteSettings & { readonly url: string },
  options: AddOptions = {},
): Promise<boolean> {
  checkRemoteName(name);
  checkFilter(settings);
  const added = await changeConfig(
    installation,
    (keyfile) => {
      const present = readSettings(keyfile, name);
      if (present !== undefined && options.ifNotExists === true) return false;
      if (present !== undefined) {
        throw new DowelError("REMOTE_EXISTS", `There is a remote ${name} already, for ${present.url}`, {
          hint: "Use remote-modify to change it, or --if-not-exists.",
        });
      }
      writeSettings(keyfile, name, withAbsolutePaths({ gpgVerify: false, ...dropUndefined(settings) }));
      return true;
    },
    options.signal,
  );
  if (added) noteRemote(installation, "add remote", { name, url: settings.url });
  return added;
}

/** Changes settings of a remote. Throws `REMOTE_NOT_FOUND`. */
export async function modifyRemote(
  installation: Home,
  name: string,
  settings: RemoteSettings,
  signal?: AbortSignal,
): Promise<void> {
  checkFilter(settings);
  const url = await changeConfig(
    installation,
    (keyfile) => {
      const before = readSettings(keyfile, name);
      if (before === undefined) throw remoteNotFound(name, remoteNames(keyfile));
      writeSettings(keyfile, name, withAbsolutePaths(settings));
      return settings.url ?? before.url;
    },
    signal,
  );
  noteRemote(installation, "modify remote", { name, url });
  if (settings.url !== undefined) removeCachedCatalogue(installation.path, name);
}

/** Removes a remote. Throws `REMOTE_NOT_FOUND`, and `REMOTE_USED` where refs came from it, unless forced. */
export async function deleteRemote(
  installation: Installation,
  name: string,
  options: { readonly force?: boolean; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const used = listDeployments(installation).filter(({ origin }) => origin === name);
  const url = await changeConfig(
    installation,
    (keyfile) => {
      const before = readSettings(keyfile, name);
      if (before === undefined) throw remoteNotFound(name, remoteNames(keyfile));
      if (used.length > 0 && options.force !== true) {
        const names = used.map(({ ref }) => `${ref.kind}/${ref.id}/${ref.arch}/${ref.branch}`).join(", ");
        throw new DowelError("REMOTE_USED", `The remote ${name} is still used by ${names}`, {
          hint: "Uninstall them first, or use --force.",
        });
      }
      removeSettings(keyfile, name);
      return before.url;
    },
    options.signal,
  );
  noteRemote(installation, "remove remote", { name, url });
  removeCachedCatalogue(installation.path, name);
}

function dropUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
}

function withAbsolutePaths(settings: RemoteSettings): RemoteSettings {
  const { url, filter } = settings;
  return {
    ...settings,
    ...(url === undefined || !/^oci(?:-archive)?:/.test(url) ? {} : { url: formatLocation(parseLocation(url)) }),
    ...(filter === undefined || filter === "" ? {} : { filter: resolve(filter) }),
  };
}
