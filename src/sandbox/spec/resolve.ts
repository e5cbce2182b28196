// SPDX-License-Identifier: Apache-2.0
import { dirname, join, normalize } from "node:path";
import type { Host, HostNodeType } from "../probe/host.ts";

const maximumLinks = 40;

export interface ResolvedPath {
  /** The path without links. */
  readonly path: string;
  readonly type: HostNodeType;
  /** Links on the way: each lies at a path without links. */
  readonly links: readonly { readonly path: string; readonly to: string }[];
}

/** Follows the links in a path of the host, one component after the other; undefined where something is missing. */
export function resolveHostPath(host: Host, path: string): ResolvedPath | undefined {
  const links: { path: string; to: string }[] = [];
  let pending = normalize(path).split("/").filter(Boolean);
  let current = "/";
  let type: HostNodeType = "directory";
  while (pending.length > 0) {
    const [name = "", ...rest] = pending;
    pending = rest;
    const next = join(current, name);
    const node = host.lookAt(next);
    if (node === undefined) return undefined;
    type = node.type;
    if (node.target === undefined) {
      current = next;
      continue;
    }
    links.push({ path: next, to: node.target });
    if (links.length > maximumLinks) return undefined;
    const target = node.target.startsWith("/") ? node.target : join(dirname(next), node.target);
    pending = [...normalize(target).split("/").filter(Boolean), ...rest];
    current = "/";
    type = "directory";
  }
  return { path: current, type, links };
}

/**
 * Whether an image has a folder at a path, with no link on the way: an image's link would lead into the host, whose
 * names then showed in the sandbox.
 */
export function imageHasFolder(host: Host, lower: string, path: string): boolean {
  if (host.lookAt(lower)?.type !== "directory") return false;
  let current = lower;
  for (const name of path.split("/").filter(Boolean)) {
    current = join(current, name);
    if (host.lookAt(current)?.type !== "directory") return false;
  }
  return true;
}
