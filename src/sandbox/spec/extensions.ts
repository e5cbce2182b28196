// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { compareBytes } from "../../base/text.ts";
import type { ExtensionPoint } from "../../metadata/extensions.ts";
import type { Ref } from "../../metadata/ref.ts";
import type { Host } from "../probe/host.ts";
import { meetsConditions } from "./extensions-conditions.ts";

/** An extension as it lies on this machine. */
export interface ExtensionImage {
  readonly ref: Ref;
  /** Digest of its manifest; undefined for an unmaintained one, a folder that somebody put there. */
  readonly commit: string | undefined;
  /** Folder with its files. */
  readonly files: string;
  /** Higher ones come first where several have the same name in a merged folder or library path. */
  readonly priority: number;
}

/** What can be asked about the extensions that are installed. */
export interface InstalledExtensions {
  /** The extension of that name; an unmaintained one counts before one that was installed. */
  find(ref: Ref): ExtensionImage | undefined;
  /** All whose id begins with `prefix`, each id once, in the order of their ids. */
  findAll(prefix: string, arch: string, branch: string): readonly ExtensionImage[];
}

/** One extension of one start: what is mounted where. Paths are those of the sandbox. */
export interface ExtensionMount {
  /** Name of the extension point. */
  readonly point: string;
  readonly image: ExtensionImage;
  /** `/app` or `/usr` with the point's folder, and what a subdirectory adds to it. */
  readonly directory: string;
  /** Where the files show: `directory`, with the suffix that subdirectories of the point have. */
  readonly target: string;
  /** Folder of libraries inside it. */
  readonly libraries: string | undefined;
  readonly mergeDirs: readonly string[];
  /** One of several subdirectories: the folder that they share holds nothing else. */
  readonly isSubdirectory: boolean;
}

/** Extensions of a start, those with higher priority first. */
export interface Extensions {
  readonly app: readonly ExtensionMount[];
  readonly runtime: readonly ExtensionMount[];
}

function toMount(point: ExtensionPoint, image: ExtensionImage, top: string, below?: string): ExtensionMount {
  const directory = join(top, point.directory, below ?? "");
  return {
    point: point.name,
    image,
    directory,
    target: join(directory, point.subdirectorySuffix ?? ""),
    libraries: point.addLdPath,
    mergeDirs: point.mergeDirs,
    isSubdirectory: below !== undefined,
  };
}

function* mountsOf(
  point: ExtensionPoint,
  branch: string,
  context: { readonly owner: Ref; readonly top: string; readonly installed: InstalledExtensions; readonly host: Host },
): Generator<ExtensionMount> {
  const { owner, top, installed, host } = context;
  const isEnabled = (id: string): boolean => meetsConditions(host, id, point.enableIf, true);
  const whole = installed.find({ kind: "runtime", id: point.name, arch: owner.arch, branch });
  if (whole !== undefined) {
    if (isEnabled(point.name)) yield toMount(point, whole, top);
    return;
  }
  if (!point.subdirectories) return;
  const prefix = `${point.name}.`;
  for (const image of installed.findAll(prefix, owner.arch, branch)) {
    if (isEnabled(image.ref.id)) yield toMount(point, image, top, image.ref.id.slice(prefix.length));
  }
}

/**
 * Decides which extensions an app or runtime gets, from its metadata, what is installed and what the host says: for each
 * point and branch the extension of that name, or else, where the point has subdirectories, all those below the name.
 * Throws `LIMIT_EXCEEDED`.
 */
export function resolveExtensions(
  points: readonly ExtensionPoint[],
  owner: Ref,
  installed: InstalledExtensions,
  host: Host,
): readonly ExtensionMount[] {
  const context = { owner, top: owner.kind === "app" ? "/app" : "/usr", installed, host };
  const mounts: ExtensionMount[] = [];
  for (const point of points) {
    const branches = point.versions.length === 0 ? [owner.branch] : point.versions;
    for (const branch of branches) mounts.push(...mountsOf(point, branch, context));
    if (mounts.length > limits.extensionsPerStart) {
      throw new DowelError(
        "LIMIT_EXCEEDED",
        `${owner.id} takes more than ${limits.extensionsPerStart} extensions, the last for ${point.name}`,
        { hint: "Uninstall some of them." },
      );
    }
  }
  return mounts.sort((left, right) => right.image.priority - left.image.priority);
}

/** In the order in which they are mounted: a folder before what lies in it. */
export function inMountOrder(mounts: readonly ExtensionMount[]): readonly ExtensionMount[] {
  return [...mounts].sort((left, right) => compareBytes(left.directory, right.directory));
}

/** `ID=COMMIT` for each, as `/.flatpak-info` lists them. */
export function describeExtensions(mounts: readonly ExtensionMount[]): string {
  return mounts.map(({ image }) => `${image.ref.id}=${image.commit ?? "local"}`).join(";");
}
