// SPDX-License-Identifier: Apache-2.0
import { basename, dirname, join, relative } from "node:path";
import type { Host } from "../probe/host.ts";
import { isBelow } from "./filesystems.ts";
import { resolveHostPath } from "./resolve.ts";
import type { Specification } from "./types.ts";

export type PathAccess = "hidden" | "read-only" | "read-write";

/** The path without links; of one that is missing, as far as it is there. */
function locate(host: Host, path: string): { readonly path: string; readonly missing: boolean } {
  const resolved = resolveHostPath(host, path);
  if (resolved !== undefined || path === "/") return { path: resolved?.path ?? "/", missing: false };
  return { path: join(locate(host, dirname(path)).path, basename(path)), missing: true };
}

/**
 * What a sandbox shows of an absolute host path at its own place: of all mounts over it the last one counts. A path
 * that is missing can only be made, where the folder is writable.
 */
export function pathAccess(specification: Specification, host: Host, path: string): PathAccess {
  const { path: real, missing } = locate(host, path);
  const over = specification.mounts.findLast(
    (mount) => !["seal", "instance", "info", "bus"].includes(mount.kind) && isBelow(real, mount.target),
  );
  if (over?.kind !== "bind" || join(over.source, relative(over.target, real)) !== real) return "hidden";
  if (over.access === "rw") return "read-write";
  return missing ? "hidden" : "read-only";
}
