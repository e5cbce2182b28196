// SPDX-License-Identifier: Apache-2.0
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hostArch } from "../../base/arch.ts";
import { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import { openLayoutWriter } from "../../oci/layoutwriter.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { attest } from "../attest/attest.ts";
import { digestsOf, recipeFacts } from "../attest/facts.ts";
import { writeImage } from "../image/image.ts";
import { defaultCompression } from "../image/layer.ts";
import { ImageMemory } from "../image/memory.ts";
import { pruneLayout } from "../image/prune.ts";
import type { BuildRequest, BuiltImage } from "../request.ts";
import { stageKey } from "../stages/cache.ts";
import type { StateFolder } from "../state.ts";
import { type Tree, type TreeEntry, textContent } from "../tree/types.ts";
import { lockState, openWork } from "../work.ts";
import { bootstrap, chooseMirrors, listPackages } from "./bootstrap.ts";
import { loadRecipe, type Recipe } from "./decode.ts";
import { ContentPool, readRootArchive } from "./pool.ts";
import { toRuntimeTree } from "./transform.ts";

/** The files of an installed system, and its packages. */
interface Root {
  readonly tree: Tree;
  readonly packages: string;
}

interface Roots {
  /** Changes with every installation of packages. */
  readonly id: string;
  readonly platform: Root;
  readonly sdk: Root | undefined;
}

/**
 * Makes a runtime and its Sdk from a recipe, as two images of one OCI layout. The packages are installed once and kept
 * in the state folder. Throws `MANIFEST_INVALID`, `RECIPE_FAILED`, `TOOL_MISSING`, `UNSUPPORTED`.
 */
export async function buildRecipe(request: BuildRequest): Promise<readonly BuiltImage[]> {
  const recipe = loadRecipe(request.manifestPath);
  const arch = request.arch ?? hostArch();
  const work = openWork(request);
  using _lock = await lockState(work.state, request.signal);
  const roots = await loadRoots(recipe, arch, work.state, request);
  const runtimeRef = (id: string): Ref => ({ kind: "runtime", id, arch, branch: recipe.branch });
  const refs = { platform: runtimeRef(recipe.id), sdk: recipe.sdk === undefined ? undefined : runtimeRef(recipe.sdk) };
  const writer = await openLayoutWriter(work.layoutDir, request.signal);
  const images: BuiltImage[] = [];
  const done = (ref: Ref, digest: string): void => {
    const tag = formatRef(ref);
    request.report({ type: "build.done", ref: tag, digest, layout: work.layoutDir });
    images.push({ ref, digest, layoutDir: work.layoutDir, tag, comesAlong: true });
  };
  const memory = new ImageMemory(work.state, work.layoutDir);
  const add = async (ref: Ref, root: Root, cleanup: readonly string[]): Promise<void> => {
    const metadata = runtimeMetadata(recipe, ref, refs.platform, refs.sdk);
    const { file: _file, ...inputs } = recipe;
    const compression = request.compression ?? defaultCompression;
    const layout = request.layout ?? "flatpak";
    const said = request.attest === false ? undefined : digestsOf([recipe.file]);
    const key = stageKey(roots.id, { ...inputs, ref, metadata, layout: request.layout, with: compression, said });
    const known = memory.find(key);
    request.report({ type: "build.stage", stage: ref.id, cached: known !== undefined });
    if (known !== undefined) return done(ref, known);
    const tree = toRuntimeTree(root.tree, recipe, cleanup, root.packages);
    tree.set("metadata", { kind: "file", executable: false, content: textContent(metadata) });
    tree.set("export", { kind: "directory" });
    const image = { ref, tree, metadata, layout, timestamp: 0, subject: `Build of ${ref.id}` };
    const { descriptor, appdata } = await writeImage(writer, image, { compression, signal: request.signal });
    const { digest } = descriptor;
    if (said !== undefined) {
      const facts = recipeFacts(recipe, root, { layout, compression });
      await attest(writer, descriptor, { ref, timestamp: 0, appdata }, facts, request.signal);
    }
    memory.remember(key, digest);
    done(ref, digest);
  };
  await add(refs.platform, roots.platform, recipe.cleanup);
  if (refs.sdk !== undefined && roots.sdk !== undefined) await add(refs.sdk, roots.sdk, recipe.sdkCleanup);
  if (work.ownLayout) await pruneLayout(writer, work.layoutDir, request.signal);
  return images;
}

function runtimeMetadata(recipe: Recipe, ref: Ref, platform: Ref, sdk: Ref | undefined): string {
  const name = (of: Ref): string => formatRef(of).slice("runtime/".length);
  const keyfile = new Keyfile();
  keyfile.set("Runtime", "name", ref.id);
  keyfile.set("Runtime", "runtime", name(platform));
  keyfile.set("Runtime", "sdk", name(sdk ?? platform));
  for (const [variable, value] of recipe.environment) keyfile.set("Environment", variable, value);
  for (const [extension, pairs] of recipe.extensions) {
    for (const [key, value] of pairs) keyfile.set(`Extension ${extension}`, key, value);
  }
  return keyfile.toString();
}

/** Installs the packages, or takes what an earlier run with the same list of packages and mirrors left. */
async function loadRoots(recipe: Recipe, arch: string, state: StateFolder, request: BuildRequest): Promise<Roots> {
  const inputs = [recipe.suite, chooseMirrors(recipe), recipe.components, recipe.packages, recipe.sdkPackages];
  const key = createHash("sha256")
    .update(JSON.stringify([1, arch, recipe.sdk !== undefined, inputs]))
    .digest("hex");
  const folder = join(state.folder("cache", "packages"), key);
  const cached = existsSync(join(folder, "id")) && request.disableCache !== true;
  request.report({ type: "build.stage", stage: "packages", cached });
  if (!cached) await install(recipe, arch, folder, state, request);
  return {
    id: readFileSync(join(folder, "id"), "utf8"),
    platform: readRoot(folder, "platform"),
    sdk: recipe.sdk === undefined ? undefined : readRoot(folder, "sdk"),
  };
}

async function install(
  recipe: Recipe,
  arch: string,
  folder: string,
  state: StateFolder,
  { report, signal }: BuildRequest,
): Promise<void> {
  using temporary = state.temporary("packages");
  const made = await bootstrap(recipe, arch, temporary.path, report, signal);
  using result = state.temporary("roots");
  {
    using pool = new ContentPool(join(result.path, "contents"));
    await writeRoot(result.path, "platform", made.platform, made.platformStatus, pool, signal);
    if (recipe.sdk !== undefined) await writeRoot(result.path, "sdk", made.sdk, made.sdkStatus, pool, signal);
  }
  writeFileDurably(join(result.path, "id"), randomUUID());
  rmSync(folder, { recursive: true, force: true });
  renameSync(result.path, folder);
}

async function writeRoot(
  folder: string,
  name: string,
  archives: readonly string[],
  status: string,
  pool: ContentPool,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tree: Tree = new Map();
  for (const archive of archives) await readRootArchive(archive, pool, tree, signal);
  const packages = listPackages(readFileSync(status, "utf8"));
  writeFileDurably(join(folder, `${name}.json`), JSON.stringify({ tree: [...tree], packages }));
}

function readRoot(folder: string, name: string): Root {
  const value: unknown = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
  const { tree, packages } = value as { tree: [string, TreeEntry][]; packages: string };
  const path = join(folder, "contents");
  const moved = tree.map(([key, entry]): [string, TreeEntry] =>
    entry.kind === "file" && entry.content.kind === "range"
      ? [key, { ...entry, content: { ...entry.content, path } }]
      : [key, entry],
  );
  return { tree: new Map(moved), packages };
}
