// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { existsSync, lstatSync, renameSync, rmSync } from "node:fs";
import { isDowelError } from "../../base/errors.ts";
import { spawnPlan } from "../../instances/spawn.ts";
import { findLdconfig, ldconfigPlan } from "../../sandbox/ldconfig.ts";
import { encodePlan } from "../../sandbox/plan/index.ts";
import type { Host } from "../../sandbox/probe/host.ts";
import { describeExtensions } from "../../sandbox/spec/extensions.ts";
import type { SandboxContents, SandboxImage } from "../../sandbox/spec/types.ts";
import { makeTempFolder } from "../../sys/tempfolder.ts";

const cacheLimit = 16 * 1024 * 1024;

/** The image's program wrote it: a link would have a file of the host copied into the sandbox. */
function isCache(path: string): boolean {
  const status = lstatSync(path, { throwIfNoEntry: false });
  return status?.isFile() === true && status.size <= cacheLimit;
}

/** An app in its runtime, with the extensions of both. */
export type LinkedContents = SandboxContents & { readonly app: SandboxImage };

/** All that the cache depends on; an unmaintained extension has no commit, and what is in it may change. */
function keyOf(host: Host, { app, runtime, extensions }: LinkedContents): string {
  const mounts = [...extensions.app, ...extensions.runtime];
  const unmaintained = mounts.filter(({ image, libraries }) => image.commit === undefined && libraries !== undefined);
  const contents = unmaintained.map(({ image, libraries = "" }) => host.list(`${image.files}/${libraries}`));
  const described = [extensions.app, extensions.runtime].map(describeExtensions);
  const paths = mounts.map(({ target, libraries }) => [target, libraries]);
  return JSON.stringify([app.commit, runtime.commit, described, paths, contents]);
}

/** Where the linker's cache for an app in its runtime lies; undefined where the runtime has no ldconfig. */
export async function linkerCachePath(
  host: Host,
  contents: LinkedContents,
  runFolder: string,
): Promise<string | undefined> {
  if (findLdconfig(host, contents.runtime) === undefined) return undefined;
  const sum = createHash("sha256").update(keyOf(host, contents)).digest("hex");
  return `${runFolder}/ld.so/${sum}`;
}

/**
 * The linker's cache for an app in its runtime, made by the runtime's ldconfig where it is missing; it is kept in the
 * run folder, which no app can reach. Undefined where the runtime has no ldconfig or it fails: then the app finds its
 * libraries by a variable.
 */
export async function linkerCache(
  host: Host,
  contents: LinkedContents,
  runFolder: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const ldconfig = findLdconfig(host, contents.runtime);
  const path = await linkerCachePath(host, contents, runFolder);
  if (ldconfig === undefined || path === undefined || existsSync(path)) return path;
  const aside = makeTempFolder(`${runFolder}/ld.so/.new-`);
  try {
    const plan = ldconfigPlan(host, { ...contents, ldconfig }, aside, runFolder);
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
