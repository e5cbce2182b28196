// SPDX-License-Identifier: Apache-2.0
import { checkCancelled } from "../../base/errors.ts";
import type { BuildOptions, Manifest, Module, Source } from "../manifest/types.ts";
import type { SourceContext } from "../sources/context.ts";
import { fetchSource, type SourceKey, sourceKey } from "../sources/sources.ts";
import { changedPaths, type StageCache, type StoredStage, stageKey } from "./cache.ts";
import {
  type BuildContext,
  buildModule,
  isEnabled,
  removeBuildFolder,
  removeFolder,
  runCleanup,
  stripFiles,
} from "./module.ts";
import type { StageObjects, StageTree } from "./objects.ts";
import { type MergedOptions, mergeOptions } from "./options.ts";

/** A source of a module with what decided about its content. */
export interface PlannedSource {
  readonly source: Source;
  readonly key: SourceKey;
}

/** A stage of the build with all that decides its result already in its key. */
export interface Stage {
  readonly name: string;
  readonly key: string;
  readonly kind: "base" | "module" | "cleanup";
  readonly module: Module | undefined;
  readonly options: MergedOptions;
  /** The sources of its module that are used here. */
  readonly sources: readonly PlannedSource[];
}

export interface ChainInput {
  readonly manifest: Manifest;
  readonly arch: string;
  readonly sdkCommit: string;
  readonly sdkOptions: BuildOptions;
  readonly epoch: number;
  /** Where the build installs. */
  readonly prefix: string;
  /** What decides about everything besides, as a JSON value. */
  readonly parts: unknown;
  /** Whether there are files to start from. */
  readonly hasBase: boolean;
}

/** The enabled modules in the order they are built in: nested ones first, every name once. */
function flatten(modules: readonly Module[], arch: string, names: Map<string, number>): readonly Module[] {
  return modules.flatMap((module) => {
    if (module.disabled || !isEnabled(module, arch)) return [];
    const inner = flatten(module.modules, arch, names);
    const skipped = module.buildSystem !== "simple" && module.sources.length === 0;
    if (skipped) return inner;
    const count = (names.get(module.name) ?? 0) + 1;
    names.set(module.name, count);
    return [...inner, count === 1 ? module : { ...module, name: `${module.name}-${count}` }];
  });
}

/** All stages of a manifest with their keys. Sources without a fixed content, as a git branch, are looked up. */
export async function planStages(input: ChainInput, context: SourceContext): Promise<readonly Stage[]> {
  const { manifest, arch, sdkCommit, sdkOptions, epoch, prefix, parts } = input;
  const stages: Stage[] = [];
  let key = stageKey("", { id: manifest.id, arch, sdkCommit, epoch, prefix, parts });
  if (input.hasBase) {
    const options = mergeOptions([], arch, prefix);
    stages.push({ name: "base", key, kind: "base", module: undefined, options, sources: [] });
  }
  for (const module of flatten(manifest.modules, arch, new Map())) {
    checkCancelled(context.signal);
    const options = mergeOptions([sdkOptions, manifest.buildOptions, module.buildOptions], arch, prefix);
    const sources: PlannedSource[] = [];
    for (const source of module.sources) {
      if (isEnabled(source, arch)) sources.push({ source, key: await sourceKey(source, context) });
    }
    // patterns count when the image is finished, and the scopes of options are in `options`
    const { cleanup: _cleanup, buildOptions: _options, modules: _modules, ...own } = module;
    key = stageKey(key, { ...own, options, sources: sources.map((one) => one.key) });
    stages.push({ name: module.name, key, kind: "module", module, options, sources });
  }
  if (manifest.cleanupCommands.length > 0) {
    const options = mergeOptions([sdkOptions, manifest.buildOptions], arch, prefix);
    key = stageKey(key, { commands: manifest.cleanupCommands, options });
    stages.push({ name: "cleanup", key, kind: "cleanup", module: undefined, options, sources: [] });
  }
  return stages;
}

export interface ChainTools {
  readonly objects: StageObjects;
  readonly cache: StageCache;
  readonly context: BuildContext;
  readonly cleanupCommands: readonly string[];
  /** The files to start from. */
  readonly base: () => StageTree;
  /** Builds everything anew. */
  readonly noCache: boolean;
}

/** Carries out the stages, those that are stored already by looking them up; gives the result of each. */
export async function runStages(stages: readonly Stage[], tools: ChainTools): Promise<readonly StoredStage[]> {
  const { context, cache, objects } = tools;
  const results: StoredStage[] = [];
  for (const stage of stages) {
    const stored = tools.noCache ? undefined : cache.load(stage.key);
    if (stored === undefined) break;
    context.report({ type: "build.stage", stage: stage.name, cached: true });
    results.push(stored);
  }
  const rest = stages.slice(results.length);
  if (rest.length === 0) return results;
  for (const { module } of rest) {
    for (const source of module?.sources ?? []) {
      if (isEnabled(source, context.arch)) await fetchSource(source, context);
    }
  }
  removeFolder(context.appFolder);
  context.state.folder("build", "app");
  objects.restore(results.at(-1)?.tree ?? new Map(), context.appFolder);
  for (const stage of rest) {
    const result = await runStage(stage, results.at(-1), tools);
    cache.save(stage.key, result);
    results.push(result);
  }
  removeFolder(context.appFolder);
  return results;
}

async function runStage(stage: Stage, before: StoredStage | undefined, tools: ChainTools): Promise<StoredStage> {
  const { context, objects } = tools;
  checkCancelled(context.signal);
  context.report({ type: "build.stage", stage: stage.name, cached: false });
  const { module, options } = stage;
  if (stage.kind === "base") {
    const tree = tools.base();
    objects.restore(tree, context.appFolder);
    return { tree, changed: [] };
  }
  if (module === undefined) await runCleanup(tools.cleanupCommands, options, context);
  else await buildModule(module, options, context);
  let tree = objects.store(context.appFolder);
  let changed = changedPaths(before?.tree ?? new Map(), tree);
  if (module === undefined) return { tree, changed };
  if (await stripFiles(module, changed, tree, options, context)) {
    tree = objects.store(context.appFolder);
    changed = changedPaths(before?.tree ?? new Map(), tree);
  }
  removeBuildFolder(module, context);
  return { tree, changed };
}
