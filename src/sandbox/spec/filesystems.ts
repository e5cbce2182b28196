// SPDX-License-Identifier: Apache-2.0
import { compareBytes } from "../../base/text.ts";
import type { FilesystemMode } from "../../metadata/permissions/filesystem.ts";
import type { Permissions } from "../../metadata/permissions/model.ts";
import type { Host, HostNodeType } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { type ResolvedPath, resolveHostPath } from "./resolve.ts";
import { expandToken, type WantedPath } from "./tokens.ts";

/** Host paths that no permission can put into a sandbox at their own place, nor anything above or below them. */
const reserved = "/.flatpak-info /app /dev /etc /proc /run/flatpak /run/host /usr /bin /lib /lib32 /lib64 /sbin".split(
  " ",
);

const strength: Readonly<Record<FilesystemMode, number>> = { none: 0, ro: 1, rw: 2, create: 3 };

/** A host path as it goes into the sandbox. */
export interface Export {
  readonly source: string;
  readonly target: string;
  readonly type: HostNodeType;
  readonly mode: FilesystemMode;
  readonly inData: string | undefined;
}

export interface Exports {
  /** Sorted by target, so that what lies above comes first. */
  readonly exports: readonly Export[];
  readonly links: ReadonlyMap<string, string>;
  /** Missing host folders that `:create` asks for. */
  readonly missing: readonly string[];
}

export function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

export function isReserved(path: string): boolean {
  return path === "/" || reserved.some((name) => isBelow(path, name) || isBelow(name, path));
}

const exportable: ReadonlySet<HostNodeType> = new Set(["directory", "file", "socket"]);

function toExport(wanted: WantedPath, resolved: ResolvedPath, secret: string): Export | undefined {
  if (!exportable.has(resolved.type) || isBelow(resolved.path, secret)) return undefined;
  if (wanted.target === undefined && isReserved(resolved.path)) return undefined;
  return {
    source: resolved.path,
    target: wanted.target ?? resolved.path,
    type: resolved.type,
    mode: wanted.mode,
    inData: wanted.inData,
  };
}

/**
 * Works out what the permissions show of the host. Where two tokens name one path, the stronger mode counts. Nothing
 * below `secret` is ever shown.
 */
export function findExports(host: Host, home: string, permissions: Permissions, secret: string): Exports {
  const found = new Map<string, Export>();
  const links = new Map<string, string>();
  const missing: string[] = [];
  const homeDenied = permissions.filesystems.get("home") === "none";
  for (const [token, mode] of permissions.filesystems) {
    for (const wanted of expandToken(host, home, token, mode)) {
      // Who denies the home means it, also beside `host`, which would give it.
      if (token === "host" && homeDenied && wanted.path === home) continue;
      const resolved = resolveHostPath(host, wanted.path);
      if (resolved === undefined) {
        if (mode === "create") missing.push(wanted.path);
        continue;
      }
      const item = toExport(wanted, resolved, secret);
      if (item === undefined) continue;
      const known = found.get(item.target);
      if (known === undefined || strength[known.mode] < strength[mode]) {
        found.set(item.target, { ...item, inData: item.inData ?? known?.inData });
      }
      if (wanted.target === undefined && mode !== "none")
        for (const link of resolved.links) links.set(link.path, link.to);
    }
  }
  const exports = [...found.values()].sort((left, right) => compareBytes(left.target, right.target));
  return { exports, links, missing };
}

/** The export that shows a path of the sandbox, if any. */
export function exportOf(exports: Exports, path: string): Export | undefined {
  return exports.exports.findLast((item) => isBelow(path, item.target));
}

/** Puts the exports into the root: binds, empty folders over what is denied, and links where the host has links. */
export function addExports(root: RootBuilder, exports: Exports): void {
  for (const [index, item] of exports.exports.entries()) {
    const above = exports.exports.slice(0, index).findLast((other) => isBelow(item.target, other.target));
    const writable = item.mode === "rw" || item.mode === "create";
    if (item.mode === "none") {
      if (above !== undefined && above.mode !== "none") hide(root, item);
    } else if (
      above === undefined ||
      above.mode !== item.mode ||
      above.source + item.target.slice(above.target.length) !== item.source
    ) {
      const type = item.type === "directory" ? "directory" : "file";
      root.bind(item.source, item.target, { access: writable ? "rw" : "ro", type, optional: true });
    }
  }
  for (const [path, to] of exports.links) root.symlink(path, to);
}

function hide(root: RootBuilder, item: Export): void {
  if (item.type === "directory") root.tmpfs(item.target);
  else root.bind("/dev/null", item.target, { type: "file" });
}
