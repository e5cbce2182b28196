// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { hostArch } from "../base/arch.ts";
import { DowelError } from "../base/errors.ts";
import { formatRef, parseRef, type Ref } from "../metadata/ref.ts";
import { type LayoutWriter, openLayoutWriter } from "../oci/layoutwriter.ts";
import { attest } from "./attest/attest.ts";
import { manifestFacts } from "./attest/facts.ts";
import { type FinishedImage, finishImages, wholeTree } from "./finish/finish.ts";
import { makeMetadata, makePlatformMetadata } from "./finish/metadata.ts";
import { writeImage } from "./image/image.ts";
import { defaultCompression } from "./image/layer.ts";
import { ImageMemory, type RememberedImage } from "./image/memory.ts";
import { pruneLayout } from "./image/prune.ts";
import { readDocument } from "./manifest/include.ts";
import { loadManifest } from "./manifest/manifest.ts";
import type { Manifest } from "./manifest/types.ts";
import { isRecipe } from "./recipe/decode.ts";
import { buildRecipe } from "./recipe/recipe.ts";
import type { BuildRequest, BuiltImage } from "./request.ts";
import { findBeneath } from "./stages/beneath.ts";
import { StageCache, type StoredStage, stageKey } from "./stages/cache.ts";
import { planStages, runStages, type Stage } from "./stages/chain.ts";
import { cleanupMatches } from "./stages/cleanup.ts";
import { defaultSourceDateEpoch } from "./stages/environment.ts";
import { checkLocalSources } from "./stages/local.ts";
import { StageObjects, type StageTree } from "./stages/objects.ts";
import { findParts, partsKey } from "./stages/parts.ts";
import { findSdk, manifestRefs } from "./stages/sdk.ts";
import { platformTree, startTree } from "./stages/start.ts";
import { tidyStages } from "./stages/tidy.ts";
import type { Tree } from "./tree/types.ts";
import { lockState, openWork } from "./work.ts";

/**
 * Builds what a file describes: an app or extension from a manifest, or a runtime and its Sdk from a recipe. The main image
 * comes first.
 */
export async function build(request: BuildRequest): Promise<readonly BuiltImage[]> {
  const document = readDocument(resolve(request.manifestPath), request.manifestPath);
  return isRecipe(document) ? buildRecipe(request) : buildManifest(request);
}

/**
 * Builds an app or extension from its manifest into an OCI layout. Stages that were built before from the same inputs are
 * not built again. Throws `MANIFEST_INVALID`, `SOURCE_FETCH`, `SOURCE_INVALID`, `BUILD_FAILED`, `RUNTIME_NOT_FOUND`, `UNSUPPORTED`.
 */
export async function buildManifest(request: BuildRequest): Promise<readonly BuiltImage[]> {
  const plan = await planBuild(request);
  const { ref, context, stages, memory, key } = plan;
  using _lock = await lockState(context.state, request.signal);
  const known = request.disableCache === true || request.stopAt !== undefined ? undefined : memory.findAll(key);
  if (known !== undefined) {
    for (const { name } of stages) request.report({ type: "build.stage", stage: name, cached: true });
    return known.map((image) => announce(request, image, context.layoutDir));
  }
  const objects = new StageObjects(context.state);
  const results = await runStages(stages, {
    ...{ objects, context, cache: new StageCache(context.state, objects) },
    base: () => startTree(plan.manifest.kind, plan.parts, plan.sdk, objects),
    cleanupCommands: plan.manifest.cleanupCommands,
    noCache: request.disableCache === true,
  });
  if (request.stopAt !== undefined) return [];
  const after = results.at(-1)?.tree ?? new Map();
  const changes = moduleChanges(stages, results);
  const images = [
    ...finishImages({
      ...{ manifest: plan.manifest, ref, metadata: plan.metadata, runtime: plan.runtime, report: request.report },
      files: toTree(after, objects),
      changes,
    }),
    ...derivePlatform(plan, { before: results[0]?.tree ?? new Map(), after }, changes, objects),
  ];
  const writer = await openLayoutWriter(context.layoutDir, request.signal);
  const written: RememberedImage[] = [];
  for (const { comesAlong, ...image } of images) {
    written.push({ ref: formatRef(image.ref), digest: await writeBuilt(writer, image, plan, request), comesAlong });
  }
  memory.rememberAll(key, written);
  tidyStages(context.state, objects, new Set(stages.map((stage) => stage.key)), request.cacheLimit);
  if (context.ownLayout) await pruneLayout(writer, context.layoutDir, request.signal);
  return written.map((image) => announce(request, image, context.layoutDir));
}

/** Writes an image, and hangs on it what it was made of and how. Answers its digest. */
async function writeBuilt(
  writer: LayoutWriter,
  image: Omit<FinishedImage, "comesAlong">,
  { facts, context, beneath }: Awaited<ReturnType<typeof planBuild>>,
  { layout = "flatpak", compression = defaultCompression, attest: isAttested = true, signal }: BuildRequest,
): Promise<string> {
  const timestamp = context.epoch;
  const isMain = image.ref.kind === "app";
  const below = beneath === undefined || !isMain ? undefined : { tree: beneath.tree(), metadata: beneath.metadata };
  const input = { ...image, layout, timestamp, subject: `Build of ${image.ref.id}`, beneath: below };
  const { descriptor, appdata } = await writeImage(writer, input, { compression, signal });
  if (isAttested) await attest(writer, descriptor, { ref: image.ref, timestamp, appdata }, facts, signal);
  return descriptor.digest;
}

/** Reads a manifest and finds all that it names; nothing is built yet. */
async function planBuild(request: BuildRequest) {
  const manifest = loadManifest(request.manifestPath);
  for (const text of manifest.warnings) request.report({ type: "warning", text });
  const arch = request.arch ?? hostArch();
  checkLocalSources(manifest.modules, arch);
  const refs = manifestRefs(manifest, arch);
  const branch = manifest.branch ?? request.defaultBranch ?? manifest.defaultBranch ?? "master";
  const ref: Ref = { kind: manifest.kind === "app" ? "app" : "runtime", id: manifest.id, arch, branch };
  const { places, signal, report } = request;
  const sdk = await findSdk(refs.sdk, manifest.sdkCommit, places, signal);
  const parts = await findParts(manifest, { main: ref, runtime: refs.runtime, sdk }, { places, signal });
  const { owner, target = manifest.kind === "runtime" ? "/usr" : "/app" } = parts.extended ?? {};
  const runtime = nameOf(owner?.ref.kind === "app" ? (owner.metadata.runtime ?? refs.runtime) : refs.runtime);
  const metadata = makeMetadata({ manifest, arch, branch, runtime, sdk: nameOf(refs.sdk), parts, sdkPart: sdk });
  const work = openWork(request);
  const epoch = manifest.sourceDateEpoch ?? defaultSourceDateEpoch;
  const context = {
    ...work,
    ...{ id: manifest.id, arch, sdkLower: sdk.lower, epoch, report, signal, target },
    appLower: owner?.ref.kind === "app" ? owner.lower : undefined,
    extensions: parts.extensions,
    splitsDebug: manifest.kind !== "extension",
    appFolder: work.state.folder("build", "app"),
  };
  const input = {
    ...{ manifest, arch, sdkCommit: sdk.commit, sdkOptions: sdk.options, epoch, prefix: target },
    parts: partsKey(parts),
    hasBase: parts.base !== undefined || manifest.kind === "runtime",
  };
  const stages = stopAt(await planStages(input, context), request.stopAt);
  const memory = new ImageMemory(work.state, work.layoutDir);
  const { layout = "flatpak", compression = defaultCompression } = request;
  const isWhole = layout === "container" && ref.kind === "app";
  const beneath = isWhole ? await findBeneath(refs.runtime, places, signal) : undefined;
  const used = { sdk, runtime, parts, beneath: beneath?.commit };
  const facts = manifestFacts(request.manifestPath, stages, used, { layout, compression });
  const said = request.attest === false ? undefined : facts;
  const key = imageKey(stages, manifest, { metadata, ref, layout, compression, said, beneath: beneath?.commit });
  return { manifest, sdk, ref, parts, runtime, metadata, context, stages, memory, facts, beneath, key };
}

/** The stages before the one of a module. Throws `USAGE` where there is no such module. */
function stopAt(stages: readonly Stage[], name: string | undefined): readonly Stage[] {
  if (name === undefined) return stages;
  const index = stages.findIndex((stage) => stage.name === name);
  if (index >= 0) return stages.slice(0, index);
  throw new DowelError("USAGE", `--stop-at: the manifest has no module ${JSON.stringify(name)}`, {
    hint: `There are: ${stages.map((stage) => stage.name).join(", ")}.`,
  });
}

function nameOf(ref: Ref): string {
  return formatRef(ref).slice("runtime/".length);
}

function imageKey(
  stages: readonly Stage[],
  manifest: Manifest,
  rest: Readonly<Record<"metadata" | "ref" | "layout" | "compression" | "said" | "beneath", unknown>>,
): string {
  const { file: _file, modules: _modules, buildOptions: _options, warnings: _warnings, ...finish } = manifest;
  const cleanup = stages.map(({ module }) => [module?.cleanup, module?.cleanupPlatform]);
  return stageKey(stages.at(-1)?.key ?? "", { finish, cleanup, ...rest });
}

function moduleChanges(
  stages: readonly Stage[],
  results: readonly StoredStage[],
): { paths: readonly string[]; cleanup: readonly string[]; cleanupPlatform: readonly string[] }[] {
  return stages.map(({ module }, index) => ({
    paths: results[index]?.changed ?? [],
    cleanup: module?.cleanup ?? [],
    cleanupPlatform: module?.cleanupPlatform ?? [],
  }));
}

/** The image of the platform that `id-platform` asks for. */
function derivePlatform(
  { manifest, ref, parts, metadata }: Awaited<ReturnType<typeof planBuild>>,
  change: { readonly before: StageTree; readonly after: StageTree },
  changes: ReturnType<typeof moduleChanges>,
  objects: StageObjects,
): FinishedImage[] {
  const { platform } = manifest;
  if (platform === undefined) return [];
  const leftOut = changes.flatMap(({ paths, cleanup, cleanupPlatform }) =>
    cleanupMatches(paths, [...cleanup, ...cleanupPlatform, ...manifest.cleanup, ...platform.cleanup]),
  );
  const files = toTree(platformTree(parts, { ...change, leftOut: new Set(leftOut) }, objects), objects);
  const text = makePlatformMetadata(manifest, platform, metadata);
  return [{ ref: { ...ref, id: platform.id }, metadata: text, tree: wholeTree(files, text), comesAlong: true }];
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

function announce(request: BuildRequest, image: RememberedImage, layoutDir: string): BuiltImage {
  const { ref: tag, digest, comesAlong } = image;
  request.report({ type: "build.done", ref: tag, digest, layout: layoutDir });
  return { ref: parseRef(tag), digest, layoutDir, tag, comesAlong };
}
