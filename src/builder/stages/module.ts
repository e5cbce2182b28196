// SPDX-License-Identifier: Apache-2.0
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Extensions } from "../../sandbox/spec/extensions.ts";
import type { Module } from "../manifest/types.ts";
import type { SourceContext } from "../sources/context.ts";
import { makeInside } from "../sources/place.ts";
import { extractSource } from "../sources/sources.ts";
import { buildFolderName, hasBuildFolder, moduleSteps } from "./buildsystems.ts";
import { canSplitDebug, elfKind, splitScript } from "./elf.ts";
import { buildEnvironment, fillSecrets, secretVariables } from "./environment.ts";
import { installLicenses } from "./licenses.ts";
import type { StageTree } from "./objects.ts";
import type { MergedOptions } from "./options.ts";
import { StageSandbox, sandboxFolder } from "./sandbox.ts";

/** What building the modules of one manifest has in common. */
export interface BuildContext extends SourceContext {
  readonly id: string;
  readonly arch: string;
  readonly sdkLower: string;
  /** Overlay folder of the app whose extension is built. */
  readonly appLower: string | undefined;
  readonly extensions: Extensions;
  readonly appFolder: string;
  /** Where that shows in the sandbox: the prefix of what is built. */
  readonly target: string;
  readonly jobs: number;
  readonly epoch: number;
  readonly keepBuildFolders: boolean;
  /** Whether debugging data goes into files of its own. */
  readonly splitsDebug: boolean;
}

export function isEnabled(
  item: { readonly onlyArches: readonly string[]; readonly skipArches: readonly string[] },
  arch: string,
): boolean {
  return (item.onlyArches.length === 0 || item.onlyArches.includes(arch)) && !item.skipArches.includes(arch);
}

function stageSandbox(
  stage: string,
  options: MergedOptions,
  sourceFolder: string | undefined,
  context: BuildContext,
): StageSandbox {
  const { id, arch, jobs, epoch, state, sdkLower, appLower, extensions, appFolder, target, report, signal } = context;
  const buildFolder = sandboxFolder(stage);
  const libraryPaths = [...extensions.app, ...extensions.runtime].flatMap(({ target: folder, libraries }) =>
    libraries === undefined ? [] : [join(folder, libraries)],
  );
  const environment = new Map([
    ...buildEnvironment({ id, arch, options, jobs, epoch, buildFolder, libraryPaths }),
    ...secretVariables(options.secretEnv),
  ]);
  const network = options.buildArgs.includes("--share=network");
  return new StageSandbox({
    ...{ stage, state, sdkLower, appLower, extensions, arch, appFolder, target, sourceFolder },
    ...{ environment, network, report, signal },
  });
}

/** Fetches and unpacks the sources of a module and runs its build; the result is in the app folder. */
export async function buildModule(module: Module, options: MergedOptions, context: BuildContext): Promise<void> {
  const folder = join(context.state.folder("build"), module.name);
  removeFolder(folder);
  mkdirSync(folder);
  const sandbox = stageSandbox(module.name, options, folder, context);
  const base = sandboxFolder(module.name);
  const run = (words: readonly string[], names: readonly string[]): Promise<void> =>
    sandbox.run({ words, cwd: [base, ...names].join("/") });
  for (const source of module.sources) {
    if (isEnabled(source, context.arch)) await extractSource(source, folder, run, context);
  }
  const subdir = module.subdir === undefined || module.subdir === "" ? [] : module.subdir.split("/");
  const build = { module, options, jobs: context.jobs, folder: makeInside(folder, subdir) };
  for (const step of moduleSteps(build)) {
    const inner = step.inBuildFolder && hasBuildFolder(build) ? [buildFolderName] : [];
    makeInside(build.folder, inner);
    const secretEnvironment = secretVariables(step.secretEnvironment ?? []);
    await sandbox.run({
      words: step.words,
      cwd: [base, ...subdir, ...inner].join("/"),
      environment: new Map([...(step.environment ?? []), ...secretEnvironment]),
      secrets: fillSecrets(step.secrets ?? []),
    });
  }
  installLicenses(module, build.folder, context.appFolder, context.id);
}

/** Removes the folder that a module was built in, unless it is to be kept. */
export function removeBuildFolder(module: Module, context: BuildContext): void {
  if (!context.keepBuildFolders) removeFolder(join(context.state.folder("build"), module.name));
}

/** Runs `cleanup-commands` in the prefix. */
export async function runCleanup(
  commands: readonly string[],
  options: MergedOptions,
  context: BuildContext,
): Promise<void> {
  const sandbox = stageSandbox("cleanup", options, undefined, context);
  for (const command of commands) await sandbox.run({ words: ["/bin/sh", "-c", command], cwd: context.target });
}

const filesAtOnce = 100;

/**
 * Takes what only debuggers need out of the programs and libraries among the paths: away, where the options say `strip`,
 * else into `lib/debug`. Answers whether anything may have changed.
 */
export async function stripFiles(
  module: Module,
  paths: readonly string[],
  tree: StageTree,
  options: MergedOptions,
  context: BuildContext,
): Promise<boolean> {
  const splits = !options.strip && !options.noDebuginfo && context.splitsDebug && canSplitDebug(context.sdkLower);
  if (!options.strip && !splits) return false;
  const elves = paths.filter((path) => {
    if (tree.get(path)?.kind !== "file" || path.startsWith("lib/debug/")) return false;
    const kind = elfKind(join(context.appFolder, path));
    return kind === "linked" || (kind === "object" && options.strip);
  });
  const folder = join(context.state.folder("build"), module.name);
  const sandbox = stageSandbox(module.name, options, existsSync(folder) ? folder : undefined, context);
  for (let at = 0; at < elves.length; at += filesAtOnce) {
    const files = elves.slice(at, at + filesAtOnce);
    const flags = ["--remove-section=.comment", "--remove-section=.note", "--strip-unneeded"];
    const words = options.strip
      ? ["strip", ...flags, "--", ...files.map((path) => `${context.target}/${path}`)]
      : ["/bin/sh", "-c", splitScript, "split-debug", context.target, sandboxFolder(module.name), ...files];
    const shown = options.strip ? undefined : `split debugging data of ${files.length} files`;
    await sandbox.run({ words, cwd: context.target, shown });
  }
  return elves.length > 0;
}

/** Removes a folder whose own folders may be read-only. */
export function removeFolder(path: string): void {
  if (!existsSync(path)) return;
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    makeWritable(path);
    rmSync(path, { recursive: true, force: true });
  }
}

function makeWritable(folder: string): void {
  chmodSync(folder, 0o700);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (lstatSync(path).isDirectory()) makeWritable(path);
  }
}
