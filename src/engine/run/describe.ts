// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { programPath } from "../../instances/launcher.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { overrideFiles, readOverrides } from "../../metadata/overrides.ts";
import type { Permissions } from "../../metadata/permissions/model.ts";
import { dataName } from "../../metadata/profile.ts";
import { formatRef, matchesRef, type PartialRef, parsePartialRef, type Ref, type RefKind } from "../../metadata/ref.ts";
import { checkRequiredVersions } from "../../metadata/required.ts";
import type { RecordingHost } from "../../sandbox/probe/recording.ts";
import { sessionFolder } from "../../sandbox/run-folder.ts";
import { findUser } from "../../sandbox/spec/etc.ts";
import { type Extensions, resolveExtensions } from "../../sandbox/spec/extensions.ts";
import { dataFolderOf, findHome } from "../../sandbox/spec/home.ts";
import { specify } from "../../sandbox/spec/specify.ts";
import type { RunOptions, SandboxImage, Specification, SpecificationInput } from "../../sandbox/spec/types.ts";
import { deployedCommits } from "../../store/deployments.ts";
import { type InstallationPlace, userPlace } from "../../store/places.ts";
import { ensureShown, lowerOf } from "../../store/shown.ts";
import type { Deployment } from "../../store/types.ts";
import { checkMayRun } from "../parental.ts";
import { type InstallationChoice, placesToRead } from "../places.ts";
import { makeAppFolder, makeBelow, makeRuntimeFolder, makeWanted } from "./data.ts";
import { ExtensionsOnHost } from "./extensions.ts";
import { linkerCache, linkerCachePath } from "./ldcache.ts";
import { installedRefs, type Located, locate } from "./locate.ts";
import { migrateData } from "./previous.ts";
import { findTrees, type TreeRequest } from "./trees.ts";

export interface RunRequest extends Omit<RunOptions, "app" | "usr" | "binds">, TreeRequest {
  /** As typed: an id, or a ref with parts left out. */
  readonly name: string;
  readonly branch: string | undefined;
  readonly arch: string | undefined;
  /** A version that is still kept, by its commit or the beginning of one. */
  readonly commit?: string | undefined;
  /** `ID/ARCH/BRANCH` in place of the app's own runtime. */
  readonly runtime: string | undefined;
  readonly runtimeVersion: string | undefined;
  readonly runtimeCommit?: string | undefined;
  readonly installations: InstallationChoice;
  /** `run` and the words up to the app's name, as typed, where they say all about the start. */
  readonly startedBy?: readonly string[] | undefined;
}

/** Sees to it that the files of a deployment can be read. */
export type Show = (deployment: Deployment, signal?: AbortSignal) => Promise<void>;

/** Where a start is described from, and whether it is about to happen. */
export interface DescribeContext {
  readonly host: RecordingHost;
  /** The caller's folder of plans and layers. */
  readonly runFolder: string;
  /** Makes the folders that the sandbox needs and shows images; else nothing is changed. */
  readonly makes: boolean;
  /** How images are shown, where it is not by this process alone. */
  readonly show?: Show | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Variables and files that decide where the installations are, and the program itself: a newer one plans anew. */
function observePlaces(host: RecordingHost): void {
  host.observe(programPath());
  for (const name of ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DOWEL_USER_DIR", "DOWEL_SYSTEM_DIR"]) {
    host.variable(name);
  }
  const folder = "/etc/dowel/installations.d";
  for (const name of host.list(folder)) host.observe(`${folder}/${name}`);
}

/** The app or runtime that a request means. Throws `NOT_INSTALLED` or `REF_AMBIGUOUS`. */
export function locateMain(host: RecordingHost, request: RunRequest): Located {
  const partial = parsePartialRef(request.name);
  const wanted = { ...partial, arch: request.arch ?? partial.arch, branch: request.branch ?? partial.branch };
  const places = placesToRead(request.installations);
  const find = (kind: RefKind) =>
    wanted.kind === undefined || wanted.kind === kind ? locate(host, places, kind, wanted, request.commit) : undefined;
  const found = find("app") ?? find("runtime");
  if (found !== undefined) return found;
  throw notInstalled(places, wanted, request);
}

/** Names what is there in place of what is missing. */
function notInstalled(
  places: readonly InstallationPlace[],
  wanted: PartialRef,
  { name, commit }: Pick<RunRequest, "name" | "commit">,
): DowelError {
  const there = places.flatMap((place) => installedRefs(place, wanted));
  const refs = there.filter((ref) => matchesRef(ref, wanted));
  const [ref] = refs;
  if (commit !== undefined && ref !== undefined) {
    const kept = places.flatMap((place) => refs.flatMap((one) => deployedCommits(place, one)));
    return new DowelError("NOT_INSTALLED", `${formatRef(ref)} is not there as commit ${commit}`, {
      hint: `Kept are: ${kept.map((one) => one.slice(0, 12)).join(", ")}. To fetch it: dowel update --commit=${commit} ${ref.id}`,
    });
  }
  const parts = [wanted.arch, wanted.branch].filter((part) => part !== undefined);
  const what =
    parts.length > 0 && there.length > 0 ? `${wanted.id} is not installed as ${parts.join(", ")}` : undefined;
  return new DowelError("NOT_INSTALLED", what ?? `${name} is not installed`, {
    hint:
      what === undefined
        ? `Install it with: dowel install ${name}`
        : `Installed are: ${there.map(formatRef).join(", ")}`,
  });
}

function runtimeRef(app: SandboxImage, request: RunRequest): Ref {
  const { runtime, sdk } = app.metadata;
  const declared = request.devel ? (sdk ?? runtime) : runtime;
  if (declared === undefined) throw new DowelError("METADATA_INVALID", `${formatRef(app.ref)} names no runtime`);
  if (request.runtime === undefined) return { ...declared, branch: request.runtimeVersion ?? declared.branch };
  const partial = parsePartialRef(request.runtime);
  return {
    kind: "runtime",
    id: partial.id,
    arch: partial.arch ?? declared.arch,
    branch: request.runtimeVersion ?? partial.branch ?? declared.branch,
  };
}

function locateRuntime(host: RecordingHost, app: SandboxImage, request: RunRequest): Deployment {
  const ref = runtimeRef(app, request);
  const found = locate(host, placesToRead({}), "runtime", ref, request.runtimeCommit);
  if (found !== undefined) return found.deployment;
  const version = request.runtimeCommit === undefined ? "" : ` as commit ${request.runtimeCommit}`;
  const what = `${formatRef(app.ref)} needs ${formatRef(ref)}${version}, which is not installed`;
  throw new DowelError("RUNTIME_NOT_FOUND", what, {
    hint: `Install it with: dowel install ${formatRef(ref)}`,
  });
}

async function toImage(context: DescribeContext, deployment: Deployment): Promise<SandboxImage> {
  const { host, makes, show = ensureShown, signal } = context;
  if (makes) await show(deployment, signal);
  const { ref, commit, path } = deployment;
  const lower = lowerOf(deployment);
  host.trustImage(lower);
  return { ref, commit, path, lower, metadata: parseMetadata(deployment.metadata) };
}

/** The extensions of an app and its runtime, shown where the start is about to happen. */
async function findExtensions(
  { host, makes, show = ensureShown, signal }: DescribeContext,
  app: SandboxImage | undefined,
  runtime: SandboxImage,
): Promise<Extensions> {
  const installed = new ExtensionsOnHost(host, placesToRead({}));
  const resolve = (image: SandboxImage | undefined) =>
    image === undefined ? [] : resolveExtensions(image.metadata.extensions, image.ref, installed, host);
  const extensions = { app: resolve(app), runtime: resolve(runtime) };
  for (const { image } of [...extensions.app, ...extensions.runtime]) {
    const deployment = installed.deploymentOf(image);
    if (deployment === undefined) continue;
    if (makes) await show(deployment, signal);
    // The link to the active version, which is noted, names a checkout; a mount can go away all the same.
    host.trustImage(lowerOf(deployment), { noted: deployment.shownAs === "composefs" });
  }
  return extensions;
}

/** What the overrides files say that count for a deployment. */
export function overridesFor(host: RecordingHost, main: Located, profile?: string): Permissions {
  const system = main.place.kind === "system" ? main.place.path : undefined;
  const files = overrideFiles({ id: main.deployment.ref.id, profile, system, user: userPlace().path });
  for (const file of files) host.observe(file);
  return readOverrides(files);
}

/** All that a specification is made from. */
async function gather(context: DescribeContext, request: RunRequest): Promise<SpecificationInput> {
  const { host, runFolder, makes, signal } = context;
  observePlaces(host);
  const main = locateMain(host, request);
  const image = await toImage(context, main.deployment);
  checkRequiredVersions(image.metadata.requiredFlatpak, formatRef(image.ref));
  const isApp = image.ref.kind === "app";
  if (isApp && makes) await checkMayRun(host, main.deployment, signal);
  const runtime = isApp ? await toImage(context, locateRuntime(host, image, request)) : image;
  const home = findHome(host, findUser(host)).path;
  const trees = findTrees(request);
  const isReplaced = trees.app !== undefined || trees.usr !== undefined;
  const cache = makes ? linkerCache : linkerCachePath;
  const app = isApp ? image : undefined;
  const extensions = await findExtensions(context, app, runtime);
  return {
    app,
    runtime,
    extensions,
    overrides: overridesFor(host, main, request.profile),
    previousIds: main.deployment.previousIds ?? [],
    // It lists the libraries of the images and their extensions.
    linkerCache:
      app === undefined || isReplaced ? undefined : await cache(host, { app, runtime, extensions }, runFolder, signal),
    options: { ...request, ...trees },
    hidden: [...placesToRead({}).map((place) => place.path), `${home}/.local/share/flatpak`],
    runFolder,
    session: sessionFolder(host.identity.uid),
  };
}

/** Makes what lies outside the sandbox for an app: its data folder, its part of the session's folder, its own /tmp. */
function makeFolders({ host, runFolder }: DescribeContext, input: SpecificationInput): void {
  const id = input.app?.ref.id;
  if (id === undefined || input.options.sandboxed) return;
  const home = findHome(host, findUser(host)).path;
  const name = dataName(id, input.options.profile);
  makeRuntimeFolder(input.session, name);
  if (name === id) migrateData(home, id, input.previousIds);
  makeBelow(home, [{ path: dataFolderOf("", name).slice(1), kind: "directory" }]);
  makeAppFolder(runFolder, name);
}

/** Makes the mount points below the folder that the app's instances share, and notes them. */
function makePoints({ host }: DescribeContext, { points, sharedFolder }: Specification): void {
  if (sharedFolder === undefined) return;
  makeBelow(
    sharedFolder,
    points.map((point) => ({ ...point, path: point.path.slice(sharedFolder.length + 1) })),
  );
  for (const { path } of points) host.lookAt(path);
}

/** Makes what the specification wants below the app's data folder, and notes it. */
function makeData({ host }: DescribeContext, { data, dataFolder }: Specification): void {
  if (dataFolder === undefined) return;
  const home = findHome(host, findUser(host)).path;
  const below = dataFolder.slice(home === "/" ? 1 : home.length + 1);
  makeBelow(
    home,
    data.map(({ path, kind }) => ({ path: `${below}/${path}`, kind })),
  );
  for (const { path } of data) host.lookAt(`${dataFolder}/${path}`);
}

/**
 * Describes the sandbox of an app, or of a command in a runtime. Throws `NOT_INSTALLED`, `RUNTIME_NOT_FOUND`,
 * `HOST_PATH_UNSAFE` and what reading metadata throws.
 */
export async function describeRun(context: DescribeContext, request: RunRequest): Promise<Specification> {
  const input = await gather(context, request);
  if (!context.makes) return specify(input, context.host);
  makeFolders(context, input);
  const first = specify(input, context.host);
  const specification = makeWanted(first) ? specify(input, context.host) : first;
  makeData(context, specification);
  makePoints(context, specification);
  return specification;
}
