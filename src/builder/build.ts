// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { hostArch } from "../base/arch.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";
import { openLayoutWriter } from "../oci/layoutwriter.ts";
import { finishTree } from "./finish/finish.ts";
import { makeMetadata } from "./finish/metadata.ts";
import { writeImage } from "./image/image.ts";
import { defaultCompression } from "./image/layer.ts";
import { ImageMemory } from "./image/memory.ts";
import { pruneLayout } from "./image/prune.ts";
import { readDocument } from "./manifest/include.ts";
import { loadManifest } from "./manifest/manifest.ts";
import type { Manifest } from "./manifest/types.ts";
import { isRecipe } from "./recipe/decode.ts";
import { buildRecipe } from "./recipe/recipe.ts";
import type { BuildRequest, BuiltImage } from "./request.ts";
import { StageCache, type StoredStage, stageKey } from "./stages/cache.ts";
import { planStages, runStages, type Stage } from "./stages/chain.ts";
import { defaultSourceDateEpoch } from "./stages/environment.ts";
import { checkLocalSources } from "./stages/local.ts";
import { StageObjects, type StageTree } from "./stages/objects.ts";
import { findSdk, manifestRefs } from "./stages/sdk.ts";
import type { Tree } from "./tree/types.ts";
import { lockState, openWork } from "./work.ts";

/** Builds what a file describes: an app from a manifest, or a runtime and its Sdk from a recipe. */
export async function build(request: BuildRequest): Promise<readonly BuiltImage[]> {
  const document = readDocument(resolve(request.manifestPath), request.manifestPath);
  return isRecipe(document) ? buildRecipe(request) : [await buildManifest(request)];
}

/**
 * Builds an app from its manifest into an OCI layout. Stages that were built before from the same inputs are not built
 * again. Throws `MANIFEST_INVALID`, `SOURCE_FETCH`, `SOURCE_INVALID`, `BUILD_FAILED`, `RUNTIME_NOT_FOUND`, `UNSUPPORTED`.
 */
export async function buildManifest(request: BuildRequest): Promise<BuiltImage> {
  const manifest = loadManifest(request.manifestPath);
  for (const text of manifest.warnings) request.report({ type: "warning", text });
  const arch = request.arch ?? hostArch();
  checkLocalSources(manifest.modules, arch);
  const refs = manifestRefs(manifest, arch);
  const branch = manifest.branch ?? request.defaultBranch ?? manifest.defaultBranch ?? "master";
  const ref: Ref = { kind: "app", id: manifest.id, arch, branch };
  const sdk = await findSdk(refs.sdk, request.places, request.signal);
  const metadata = makeMetadata({ manifest, arch, runtime: nameOf(refs.runtime), sdk: nameOf(refs.sdk) });
  const work = openWork(request);
  using _lock = await lockState(work.state, request.signal);
  const epoch = manifest.sourceDateEpoch ?? defaultSourceDateEpoch;
  const context = {
    ...work,
    ...{ id: manifest.id, arch, sdkLower: sdk.lower, epoch, report: request.report, signal: request.signal },
    appFolder: work.state.folder("build", "app"),
  };
  const stages = await planStages({ manifest, arch, sdkCommit: sdk.commit, sdkOptions: sdk.options, epoch }, context);
  const memory = new ImageMemory(work.state, work.layoutDir);
  const key = imageKey(stages, manifest, metadata, ref, request);
  const known = request.disableCache === true ? undefined : memory.find(key);
  if (known !== undefined) {
    for (const { name } of stages) request.report({ type: "build.stage", stage: name, cached: true });
    return announce(request, ref, known, work.layoutDir);
  }
  const objects = new StageObjects(work.state);
  const tools = { objects, cache: new StageCache(work.state, objects), context };
  const results = await runStages(stages, {
    ...tools,
    cleanupCommands: manifest.cleanupCommands,
    noCache: request.disableCache === true,
  });
  const tree = finishTree({
    manifest,
    metadata,
    files: toTree(results.at(-1)?.tree ?? new Map(), objects),
    changes: moduleChanges(stages, results),
    report: request.report,
  });
  const writer = await openLayoutWriter(work.layoutDir, request.signal);
  const { digest } = await writeImage(
    writer,
    { ref, tree, metadata, layout: request.layout ?? "flatpak", timestamp: epoch, subject: `Build of ${manifest.id}` },
    { compression: request.compression ?? defaultCompression, signal: request.signal },
  );
  memory.remember(key, digest);
  if (work.ownLayout) await pruneLayout(writer, work.layoutDir, request.signal);
  return announce(request, ref, digest, work.layoutDir);
}

function nameOf(ref: Ref): string {
  return formatRef(ref).slice("runtime/".length);
}

function imageKey(
  stages: readonly Stage[],
  manifest: Manifest,
  metadata: string,
  ref: Ref,
  { layout = "flatpak", compression = defaultCompression }: BuildRequest,
): string {
  const { file: _file, modules: _modules, buildOptions: _options, warnings: _warnings, ...finish } = manifest;
  const cleanup = stages.map(({ module }) => module?.cleanup);
  return stageKey(stages.at(-1)?.key ?? "", { finish, cleanup, metadata, ref, layout, compression });
}

function moduleChanges(
  stages: readonly Stage[],
  results: readonly StoredStage[],
): { paths: readonly string[]; cleanup: readonly string[] }[] {
  return stages.map(({ module }, index) => ({
    paths: results[index]?.changed ?? [],
    cleanup: module?.cleanup ?? [],
  }));
}

function toTree(stage: StageTree, objects: StageObjects): Tree {
  const result: Tree = new Map();
  for (const [path, entry] of stage) {
    if (entry.kind !== "file") {
      result.set(path, entry);
      continue;
    }
    const { executable, size, digest } = entry;
    result.set(path, {
      kind: "file",
      executable,
      content: { kind: "range", path: objects.path(digest), offset: 0, size },
    });
  }
  return result;
}

function announce(request: BuildRequest, ref: Ref, digest: string, layoutDir: string): BuiltImage {
  const tag = formatRef(ref);
  request.report({ type: "build.done", ref: tag, digest, layout: layoutDir });
  return { ref, digest, layoutDir, tag };
}
