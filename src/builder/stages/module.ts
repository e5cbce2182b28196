// SPDX-License-Identifier: Apache-2.0
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { Module } from "../manifest/types.ts";
import type { SourceContext } from "../sources/context.ts";
import { makeInside } from "../sources/place.ts";
import { extractSource } from "../sources/sources.ts";
import { buildFolderName, hasBuildFolder, moduleSteps } from "./buildsystems.ts";
import { buildEnvironment, secretVariables } from "./environment.ts";
import type { StageTree } from "./objects.ts";
import type { MergedOptions } from "./options.ts";
import { StageSandbox, sandboxFolder } from "./sandbox.ts";

/** What building the modules of one manifest has in common. */
export interface BuildContext extends SourceContext {
  readonly id: string;
  readonly arch: string;
  readonly sdkLower: string;
  readonly appFolder: string;
  readonly jobs: number;
  readonly epoch: number;
  readonly keepBuildFolders: boolean;
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
  const { id, arch, jobs, epoch, state, sdkLower, appFolder, report, signal } = context;
  const buildFolder = sandboxFolder(stage);
  const environment = new Map([
    ...buildEnvironment({ id, arch, options, jobs, epoch, buildFolder }),
    ...secretVariables(options),
  ]);
  const network = options.buildArgs.includes("--share=network");
  return new StageSandbox({
    ...{ stage, state, sdkLower, arch, appFolder, sourceFolder },
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
    await sandbox.run({ words: step.words, cwd: [base, ...subdir, ...inner].join("/"), environment: step.environment });
  }
  if (!context.keepBuildFolders) removeFolder(folder);
}

/** Runs `cleanup-commands` in `/app`. */
export async function runCleanup(
  commands: readonly string[],
  options: MergedOptions,
  context: BuildContext,
): Promise<void> {
  const sandbox = stageSandbox("cleanup", options, undefined, context);
  for (const command of commands) await sandbox.run({ words: ["/bin/sh", "-c", command], cwd: "/app" });
}

/** Strips the programs and libraries among the paths, as `strip` in the build options asks for. */
export async function stripFiles(
  module: Module,
  paths: readonly string[],
  tree: StageTree,
  options: MergedOptions,
  context: BuildContext,
): Promise<void> {
  const elves = paths.filter((path) => tree.get(path)?.kind === "file" && isElf(join(context.appFolder, path)));
  const sandbox = stageSandbox(module.name, options, undefined, context);
  for (let at = 0; at < elves.length; at += 100) {
    const files = elves.slice(at, at + 100).map((path) => `/app/${path}`);
    const flags = ["--remove-section=.comment", "--remove-section=.note", "--strip-unneeded"];
    await sandbox.run({ words: ["strip", ...flags, "--", ...files], cwd: "/app" });
  }
}

function isElf(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(4);
    return readSync(fd, head, 0, 4, 0) === 4 && head.equals(Buffer.from("\x7fELF", "latin1"));
  } finally {
    closeSync(fd);
  }
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
