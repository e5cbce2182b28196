// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { isDowelError } from "../../base/errors.ts";
import { spawnPlan } from "../../instances/spawn.ts";
import { findLdconfig, ldconfigPlan } from "../../sandbox/ldconfig.ts";
import { encodePlan } from "../../sandbox/plan/index.ts";
import type { Host } from "../../sandbox/probe/host.ts";
import type { SandboxImage } from "../../sandbox/spec/types.ts";

const cacheLimit = 16 * 1024 * 1024;

/** The image's program wrote it: a link would have a file of the host copied into the sandbox. */
function isCache(path: string): boolean {
  const status = lstatSync(path, { throwIfNoEntry: false });
  return status?.isFile() === true && status.size <= cacheLimit;
}

/** Where the linker's cache for an app in its runtime lies; undefined where the runtime has no ldconfig. */
export async function linkerCachePath(
  host: Host,
  app: SandboxImage,
  runtime: SandboxImage,
  runFolder: string,
): Promise<string | undefined> {
  if (findLdconfig(host, runtime) === undefined) return undefined;
  const sum = createHash("sha256").update(`${app.commit} ${runtime.commit}`).digest("hex");
  return `${runFolder}/ld.so/${sum}`;
}

/**
 * The linker's cache for an app in its runtime, made by the runtime's ldconfig where it is missing; it is kept in the
 * run folder, which no app can reach. Undefined where the runtime has no ldconfig or it fails: then the app finds its
 * libraries by a variable.
 */
export async function linkerCache(
  host: Host,
  app: SandboxImage,
  runtime: SandboxImage,
  runFolder: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const ldconfig = findLdconfig(host, runtime);
  const path = await linkerCachePath(host, app, runtime, runFolder);
  if (ldconfig === undefined || path === undefined || existsSync(path)) return path;
  const aside = mkdtempSync(`${runFolder}/ld.so/.new-`);
  try {
    const plan = ldconfigPlan(host, { app, runtime, ldconfig }, aside, runFolder);
    const { code } = await spawnPlan(encodePlan(plan), [], { signal, output: () => undefined });
    if (code !== 0 || !isCache(`${aside}/cache`)) return undefined;
    renameSync(`${aside}/cache`, path);
    return path;
  } catch (error) {
    if (isDowelError(error, "SANDBOX_FAILED")) return undefined;
    throw error;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}
