// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { overrideFiles, readOverrides } from "../../metadata/overrides.ts";
import type { Permissions } from "../../metadata/permissions/model.ts";
import { formatRef, parsePartialRef, type Ref } from "../../metadata/ref.ts";
import { storeLayer } from "../../sandbox/layer.ts";
import { encodePlan, type Plan, planCacheName } from "../../sandbox/plan/index.ts";
import { planFromSpecification } from "../../sandbox/plan-from-spec.ts";
import { RecordingHost } from "../../sandbox/probe/recording.ts";
import { runFolder } from "../../sandbox/run-folder.ts";
import { findUser } from "../../sandbox/spec/etc.ts";
import { dataFolderOf, findHome } from "../../sandbox/spec/home.ts";
import { specify } from "../../sandbox/spec/specify.ts";
import type { RunOptions, SandboxImage, Specification } from "../../sandbox/spec/types.ts";
import { userPlace } from "../../store/places.ts";
import { ensureShown, lowerOf } from "../../store/shown.ts";
import type { Deployment } from "../../store/types.ts";
import { type InstallationChoice, placesToRead } from "../places.ts";
import { keepPlan, sweep } from "./cache.ts";
import { makeBelowHome, makeRuntimeFolder, makeWanted } from "./data.ts";
import { linkerCache } from "./ldcache.ts";
import { type Located, locate } from "./locate.ts";

export interface RunRequest extends RunOptions {
  /** As typed: an id, or a ref with parts left out. */
  readonly name: string;
  readonly branch: string | undefined;
  readonly arch: string | undefined;
  /** `ID/ARCH/BRANCH` in place of the app's own runtime. */
  readonly runtime: string | undefined;
  readonly runtimeVersion: string | undefined;
  readonly installations: InstallationChoice;
}

export interface PreparedRun {
  readonly specification: Specification;
  readonly plan: Plan;
  readonly bytes: Uint8Array;
  /** Where the plan is kept for warm starts. */
  readonly cachePath: string | undefined;
}

/** Variables and files that decide where the installations are, and the program itself: a newer one plans anew. */
function observePlaces(host: RecordingHost): void {
  host.observe(process.execPath);
  for (const name of ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DOWEL_USER_DIR", "DOWEL_SYSTEM_DIR"]) {
    host.variable(name);
  }
  const folder = "/etc/dowel/installations.d";
  for (const name of host.list(folder)) host.observe(`${folder}/${name}`);
}

function locateMain(host: RecordingHost, request: RunRequest): Located {
  const partial = parsePartialRef(request.name);
  const wanted = { ...partial, arch: request.arch ?? partial.arch, branch: request.branch ?? partial.branch };
  const places = placesToRead(request.installations);
  const app = wanted.kind === "runtime" ? undefined : locate(host, places, "app", wanted);
  const found = app ?? (wanted.kind === "app" ? undefined : locate(host, places, "runtime", wanted));
  if (found !== undefined) return found;
  throw new DowelError("NOT_INSTALLED", `${request.name} is not installed`, {
    hint: `Install it with: dowel install ${request.name}`,
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
  const found = locate(host, placesToRead({}), "runtime", ref);
  if (found !== undefined) return found.deployment;
  throw new DowelError("RUNTIME_NOT_FOUND", `${formatRef(app.ref)} needs ${formatRef(ref)}, which is not installed`, {
    hint: `Install it with: dowel install ${formatRef(ref)}`,
  });
}

async function toImage(host: RecordingHost, deployment: Deployment, signal?: AbortSignal): Promise<SandboxImage> {
  await ensureShown(deployment, signal);
  const { ref, commit, path } = deployment;
  const lower = lowerOf(deployment);
  host.trustImage(lower);
  return { ref, commit, path, lower, metadata: parseMetadata(deployment.metadata) };
}

function overridesFor(host: RecordingHost, main: Located): Permissions {
  const system = main.place.kind === "system" ? main.place.path : undefined;
  const files = overrideFiles({ id: main.deployment.ref.id, system, user: userPlace().path });
  for (const file of files) host.observe(file);
  return readOverrides(files);
}

/** Makes the app's own folders, which a specification takes for granted, and describes the sandbox. */
async function describe(
  host: RecordingHost,
  request: RunRequest,
  folder: string,
  signal?: AbortSignal,
): Promise<Specification> {
  observePlaces(host);
  const main = locateMain(host, request);
  const image = await toImage(host, main.deployment, signal);
  const isApp = image.ref.kind === "app";
  const runtime = isApp ? await toImage(host, locateRuntime(host, image, request), signal) : image;
  const home = findHome(host, findUser(host)).path;
  if (isApp) makeRuntimeFolder(host.variable("XDG_RUNTIME_DIR"), image.ref.id);
  if (isApp) makeBelowHome(home, [{ path: dataFolderOf("", image.ref.id).slice(1), kind: "directory" }]);
  const hidden = [...placesToRead({}).map((place) => place.path), `${home}/.local/share/flatpak`];
  const input = {
    app: isApp ? image : undefined,
    runtime,
    overrides: overridesFor(host, main),
    linkerCache: isApp ? await linkerCache(host, image, runtime, folder, signal) : undefined,
    options: request,
    hidden,
    runFolder: folder,
  };
  const first = specify(input, host);
  const specification = makeWanted(first) ? specify(input, host) : first;
  const { dataFolder } = specification;
  if (dataFolder === undefined) return specification;
  const below = dataFolder.slice(home === "/" ? 1 : home.length + 1);
  makeBelowHome(
    home,
    specification.data.map(({ path, kind }) => ({ path: `${below}/${path}`, kind })),
  );
  for (const { path } of specification.data) host.lookAt(`${dataFolder}/${path}`);
  return specification;
}

/**
 * Prepares the start of an app, or of a command in a runtime. `words` are those from the verb to the name of the app,
 * as typed: a later start with the same words takes the same plan without coming here. Throws `NOT_INSTALLED`,
 * `RUNTIME_NOT_FOUND`, `HOST_PATH_UNSAFE` and what reading metadata throws.
 */
export async function prepareRun(
  request: RunRequest,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<PreparedRun> {
  const host = new RecordingHost();
  const folder = runFolder();
  const specification = await describe(host, request, folder, signal);
  const layer = storeLayer(folder, specification.layer);
  host.lookAt(layer);
  const plan = planFromSpecification(specification, { layer, key: words, record: host.record });
  const bytes = encodePlan(plan);
  if (words.length === 0) return { specification, plan, bytes, cachePath: undefined };
  const cachePath = keepPlan(folder, planCacheName(words), bytes);
  sweep(folder);
  return { specification, plan, bytes, cachePath };
}
