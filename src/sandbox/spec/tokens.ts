// SPDX-License-Identifier: Apache-2.0
import { type FilesystemMode, xdgUserFolders } from "../../metadata/permissions/filesystem.ts";
import type { Host } from "../probe/host.ts";

/** A host path that the permissions name. */
export interface WantedPath {
  /** On the host. */
  readonly path: string;
  /** In the sandbox; undefined: at the same path. */
  readonly target: string | undefined;
  readonly mode: FilesystemMode;
  /** Where it also shows below the app's own folder: `config/X` for `xdg-config/X`. */
  readonly inData: string | undefined;
}

/** Top-level folders that `host` does not give. */
const notOfHost = new Set(
  ". .. app bin boot dev efi etc lib lib32 lib64 proc root run sbin sys tmp usr var".split(" "),
);

const hostOsFolders = ["usr", "bin", "lib", "lib32", "lib64", "sbin"];

const baseFolders: Readonly<Record<string, readonly [variable: string, fallback: string]>> = {
  "xdg-data": ["XDG_DATA_HOME", ".local/share"],
  "xdg-cache": ["XDG_CACHE_HOME", ".cache"],
  "xdg-config": ["XDG_CONFIG_HOME", ".config"],
};

function want(path: string, mode: FilesystemMode, target?: string): WantedPath {
  return { path, mode, target, inData: undefined };
}

function wantHostOs(host: Host, mode: FilesystemMode): WantedPath[] {
  const folders = hostOsFolders.filter((name) => host.lookAt(`/${name}`) !== undefined);
  const files = ["/etc/ld.so.cache", "/etc/alternatives"].filter((path) => host.lookAt(path) !== undefined);
  const local = host.lookAt("/var/usrlocal") === undefined ? [] : ["/var/usrlocal"];
  return [...folders.map((name) => `/${name}`), ...files, ...local].map((path) => want(path, mode, `/run/host${path}`));
}

function wantHost(host: Host, home: string, mode: FilesystemMode): WantedPath[] {
  const folders = host.list("/").filter((name) => !notOfHost.has(name));
  return [
    ...folders.map((name) => want(`/${name}`, mode)),
    want("/run/media", mode),
    ...wantHostOs(host, mode),
    want("/etc", mode, "/run/host/etc"),
    want(home, mode),
  ];
}

/** A folder of user-dirs(5), from `user-dirs.dirs`; undefined where it is not set, or is the home itself. */
export function userFolder(host: Host, home: string, key: string): string | undefined {
  const config = host.variable("XDG_CONFIG_HOME") ?? `${home}/.config`;
  const line = host.read(`${config}/user-dirs.dirs`)?.match(new RegExp(`^\\s*XDG_${key}_DIR="(.*)"`, "m"))?.[1];
  const fallback = key === "DESKTOP" ? `${home}/Desktop` : undefined;
  const path = line?.replace(/^\$HOME(?=\/|$)/, home).replace(/\\(.)/g, "$1") ?? fallback;
  const trimmed = path?.replace(/\/+$/, "");
  return trimmed?.startsWith("/") && trimmed !== home ? trimmed : undefined;
}

function wantXdg(host: Host, home: string, token: string, mode: FilesystemMode): WantedPath[] {
  const [first = "", ...rest] = token.split("/");
  const below = rest.map((name) => `/${name}`).join("");
  if (first === "xdg-run") {
    const folder = host.variable("XDG_RUNTIME_DIR");
    if (!folder?.startsWith("/")) return [];
    return [want(`${folder}${below}`, mode, `/run/user/${host.identity.uid}${below}`)];
  }
  const base = baseFolders[first];
  if (base !== undefined) {
    const [variable, fallback] = base;
    const path = `${host.variable(variable) ?? `${home}/${fallback}`}${below}`;
    const inData = below === "" ? undefined : `${first.slice("xdg-".length)}${below}`;
    return [{ path, mode, target: undefined, inData }];
  }
  const folder = userFolder(host, home, xdgUserFolders.get(first) ?? "");
  return folder === undefined ? [] : [want(`${folder}${below}`, mode)];
}

/** The host paths that one normalised token stands for. */
export function expandToken(host: Host, home: string, token: string, mode: FilesystemMode): WantedPath[] {
  if (token.startsWith("/")) return [want(token, mode)];
  if (token.startsWith("~/")) return [want(`${home}${token.slice(1)}`, mode)];
  if (token === "home") return [want(home, mode)];
  if (mode === "none" && token.startsWith("host")) return [];
  if (token === "host") return wantHost(host, home, mode);
  if (token === "host-os") return wantHostOs(host, mode);
  if (token === "host-etc") return [want("/etc", mode, "/run/host/etc")];
  if (token === "host-root") return [want("/", mode, "/run/host/root")];
  return wantXdg(host, home, token, mode);
}
