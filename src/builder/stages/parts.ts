// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { ExtensionsOnHost } from "../../engine/run/extensions.ts";
import { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { type ExtensionPoint, readExtensionPoints } from "../../metadata/extensions.ts";
import { type Metadata, parseMetadata } from "../../metadata/metadata.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import { RecordingHost } from "../../sandbox/probe/recording.ts";
import { type ExtensionMount, resolveExtensions } from "../../sandbox/spec/extensions.ts";
import type { InstallationPlace } from "../../store/places.ts";
import { lowerOf } from "../../store/shown.ts";
import { showDeployment } from "../../system/show.ts";
import type { Manifest, Named } from "../manifest/types.ts";
import { deploymentOf, type Sdk } from "./sdk.ts";

/** Something installed that a build uses. */
export interface Part {
  readonly ref: Ref;
  readonly commit: string;
  /** Overlay folder that holds `app/` or `usr/`. */
  readonly lower: string;
  readonly metadata: Metadata;
}

/** All that a build uses besides the Sdk. */
export interface BuildParts {
  readonly base: Part | undefined;
  /** Files of extensions of the base app: folder below the prefix, and where they are. */
  readonly baseExtensions: readonly { readonly directory: string; readonly files: string; readonly commit: string }[];
  /** What the platform of a runtime starts from. */
  readonly platform: Part | undefined;
  readonly platformExtensions: BuildParts["baseExtensions"];
  /** What the build is an extension of, and where its files go in the sandbox. */
  readonly extended: { readonly owner: Part; readonly target: string } | undefined;
  /** Extensions that show while the build runs: of the Sdk, and at the build's own points. */
  readonly extensions: { readonly app: readonly ExtensionMount[]; readonly runtime: readonly ExtensionMount[] };
}

interface Search {
  readonly places: readonly InstallationPlace[];
  readonly signal: AbortSignal | undefined;
}

/** What is installed under a ref, in the first of the places that has it. */
async function findPart(ref: Ref, { places, signal }: Search, commit?: string): Promise<Part | undefined> {
  for (const place of places) {
    const deployment = deploymentOf(place, ref, commit);
    if (deployment === undefined) continue;
    await showDeployment(deployment, signal);
    const { metadata } = deployment;
    return { ref, commit: deployment.commit, lower: lowerOf(deployment), metadata: parseMetadata(metadata) };
  }
  return undefined;
}

function notInstalled(where: string, ref: Ref): DowelError {
  return new DowelError("RUNTIME_NOT_FOUND", `${where}: ${formatRef(ref)} is not installed`, {
    hint: `Install it first: dowel install ${formatRef(ref)}`,
  });
}

/** The extension points that a manifest describes, as they are read from metadata. */
function pointsOf(groups: Manifest["extensions"]): readonly ExtensionPoint[] {
  const keyfile = new Keyfile();
  for (const [name, pairs] of groups) {
    for (const [key, value] of pairs) keyfile.set(`Extension ${name}`, key, value);
  }
  return readExtensionPoints(keyfile);
}

/** The point that takes an extension, and the folder where it goes. */
function placeAt(
  points: readonly ExtensionPoint[],
  id: string,
  tag?: string,
): { readonly point: ExtensionPoint; readonly directory: string } | undefined {
  const exact = points.find((point) => point.name === id && (tag === undefined || point.tag === tag));
  if (exact !== undefined) return { point: exact, directory: exact.directory };
  const point = points.find(({ name, subdirectories }) => subdirectories && id.startsWith(`${name}.`));
  if (point === undefined) return undefined;
  const directory = join(point.directory, id.slice(point.name.length + 1), point.subdirectorySuffix ?? "");
  return { point, directory };
}

async function findExtension(
  wanted: Named,
  owner: { readonly ref: Ref; readonly metadata: Metadata },
  search: Search,
): Promise<{ readonly part: Part; readonly point: ExtensionPoint; readonly directory: string }> {
  const place = placeAt(owner.metadata.extensions, wanted.name);
  if (place === undefined) {
    throw new DowelError(
      "MANIFEST_INVALID",
      `${wanted.where}: ${formatRef(owner.ref)} takes no extension of that name`,
    );
  }
  const branches = place.point.versions.length === 0 ? [owner.ref.branch] : place.point.versions;
  for (const branch of branches) {
    const part = await findPart({ kind: "runtime", id: wanted.name, arch: owner.ref.arch, branch }, search);
    if (part !== undefined) return { ...place, part };
  }
  const [branch = ""] = branches;
  throw notInstalled(wanted.where, { kind: "runtime", id: wanted.name, arch: owner.ref.arch, branch });
}

/** Extensions whose files are copied into what takes them. */
async function findCopied(
  wanted: readonly Named[],
  owner: Part | undefined,
  search: Search,
): Promise<BuildParts["baseExtensions"]> {
  const found: BuildParts["baseExtensions"][number][] = [];
  if (owner === undefined) return found;
  for (const one of wanted) {
    const { part, directory } = await findExtension(one, owner, search);
    found.push({ directory, files: join(part.lower, "usr"), commit: part.commit });
  }
  return found;
}

async function findSdkExtensions(manifest: Manifest, sdk: Sdk, search: Search): Promise<ExtensionMount[]> {
  const mounts: ExtensionMount[] = [];
  for (const wanted of manifest.sdkExtensions) {
    const { part, point, directory } = await findExtension(wanted, sdk, search);
    const image = { ref: part.ref, commit: part.commit, files: join(part.lower, "usr"), priority: 0 };
    mounts.push({
      point: point.name,
      image,
      directory: join("/usr", directory),
      target: join("/usr", directory),
      libraries: point.addLdPath,
      mergeDirs: point.mergeDirs,
      // Those that the build does not name are not there, but what the Sdk itself has stays.
      isSubdirectory: false,
    });
  }
  return mounts;
}

/** The extensions for the points that are there while an app is built. */
async function findBuildExtensions(manifest: Manifest, ref: Ref, search: Search): Promise<readonly ExtensionMount[]> {
  const installed = new ExtensionsOnHost(new RecordingHost(), search.places);
  const mounts = resolveExtensions(pointsOf(manifest.buildExtensions), ref, installed, new RecordingHost());
  for (const { image } of mounts) {
    const deployment = installed.deploymentOf(image);
    if (deployment !== undefined) await showDeployment(deployment, search.signal);
  }
  return mounts;
}

/** The runtime that a platform starts from; one that is named by its commit must be there in any case. */
async function findRuntime(
  { id, kind, platform, runtimeCommit }: Manifest,
  runtime: Ref,
  search: Search,
): Promise<Part | undefined> {
  if (kind === "extension" || (platform === undefined && runtimeCommit === undefined)) return undefined;
  const part = await findPart(runtime, search, runtimeCommit);
  const where = runtimeCommit === undefined ? `runtime of ${id}` : `runtime-commit ${runtimeCommit}`;
  if (part === undefined) throw notInstalled(where, runtime);
  return platform === undefined ? undefined : part;
}

async function findOwner(manifest: Manifest, runtime: Ref, search: Search): Promise<BuildParts["extended"]> {
  if (manifest.kind !== "extension") return undefined;
  const { runtimeCommit } = manifest;
  const owner =
    (await findPart(runtime, search, runtimeCommit)) ??
    (await findPart({ ...runtime, kind: "app" }, search, runtimeCommit));
  if (owner === undefined) throw notInstalled(`runtime of ${manifest.id}`, runtime);
  const place = placeAt(owner.metadata.extensions, manifest.id, manifest.extensionTag);
  if (place === undefined) {
    throw new DowelError("MANIFEST_INVALID", `${formatRef(owner.ref)} takes no extension named ${manifest.id}`, {
      hint: "Its metadata needs a group [Extension NAME] with that id, or with subdirectories and the beginning of it.",
    });
  }
  return { owner, target: join(owner.ref.kind === "app" ? "/app" : "/usr", place.directory) };
}

/**
 * Finds what a manifest names besides the Sdk: base app, extensions, and what it is itself an extension of. Throws
 * `RUNTIME_NOT_FOUND` and `MANIFEST_INVALID` with the place in the manifest.
 */
export async function findParts(
  manifest: Manifest,
  refs: { readonly main: Ref; readonly runtime: Ref; readonly sdk: Sdk },
  search: Search,
): Promise<BuildParts> {
  const { main, runtime, sdk } = refs;
  const { base } = manifest;
  const baseRef: Ref = { kind: "app", id: base?.name ?? "", arch: main.arch, branch: base?.branch ?? "" };
  const basePart = base === undefined ? undefined : await findPart(baseRef, search, base.commit);
  if (base !== undefined && basePart === undefined) throw notInstalled(base.where, baseRef);
  const platform = await findRuntime(manifest, runtime, search);
  return {
    base: basePart,
    baseExtensions: await findCopied(base?.extensions ?? [], basePart, search),
    platform,
    platformExtensions: await findCopied(manifest.platform?.extensions ?? [], platform, search),
    extended: await findOwner(manifest, runtime, search),
    extensions: {
      app: await findBuildExtensions(manifest, main, search),
      runtime: await findSdkExtensions(manifest, sdk, search),
    },
  };
}

/** What of the parts decides the result of a build, as a JSON value. */
export function partsKey(parts: BuildParts): unknown {
  const { base, platform, extended, extensions } = parts;
  const copied = (list: BuildParts["baseExtensions"]) => list.map(({ directory, commit }) => [directory, commit]);
  const described = (mounts: readonly ExtensionMount[]) => mounts.map(({ image, target }) => [target, image.commit]);
  return {
    base: base?.commit,
    baseExtensions: copied(parts.baseExtensions),
    platform: [platform?.commit, copied(parts.platformExtensions)],
    extended: extended === undefined ? undefined : [extended.owner.commit, extended.target],
    extensions: [described(extensions.app), described(extensions.runtime)],
  };
}
