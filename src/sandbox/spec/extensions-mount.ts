// SPDX-License-Identifier: Apache-2.0
import { dirname, join, normalize } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { type ExtensionMount, type Extensions, inMountOrder } from "./extensions.ts";
import { imageHasFolder } from "./resolve.ts";
import type { Replacement, RunOptions, SandboxContents, SandboxImage } from "./types.ts";

const maximumLinks = 40;

/** The image that takes extensions, as a folder that holds `app` or `usr`. */
interface ExtensionOwner {
  readonly lower: string;
  /** Where its own tree shows: nothing for the usual place, `/run/parent` where another tree is in that. */
  readonly prefix: string;
}

/**
 * A path of the sandbox with the links of an image followed, as far as the image has it; undefined where that leaves the
 * image or a file is in the way. What an image says by its links is never looked up on the host.
 */
function placeInImage(host: Host, lower: string, path: string): string | undefined {
  const top = path.split("/")[1] ?? "";
  let pending = path.split("/").filter(Boolean);
  let current = "/";
  for (let links = 0; pending.length > 0; ) {
    const [name = "", ...rest] = pending;
    const next = join(current, name);
    const node = host.lookAt(lower + next);
    if (node === undefined) {
      current = join(next, ...rest);
      break;
    }
    if (node.target === undefined) {
      if (node.type !== "directory") return undefined;
      current = next;
      pending = rest;
      continue;
    }
    links += 1;
    if (links > maximumLinks) return undefined;
    const target = node.target.startsWith("/") ? node.target : join(current, node.target);
    pending = [...normalize(target).split("/").filter(Boolean), ...rest];
    current = "/";
  }
  return current.startsWith(`/${top}/`) ? current : undefined;
}

/** Adds the extensions of one image; each method is a step, and they come in the order of `addExtensions`. */
class ExtensionAdder {
  readonly #root: RootBuilder;
  readonly #host: Host;
  readonly #owner: ExtensionOwner;
  readonly #mounted: { readonly target: string; readonly files: string }[] = [];
  readonly #emptied = new Set<string>();
  readonly #merged = new Set<string>();

  constructor(root: RootBuilder, host: Host, owner: ExtensionOwner) {
    this.#root = root;
    this.#host = host;
    this.#owner = owner;
  }

  /** Where a path of the image is in this sandbox. */
  at(path: string): string {
    return this.#owner.prefix + path;
  }

  /** A path as `placeInImage`, but inside another extension, where the path leads into one, without links. */
  #place(path: string): string | undefined {
    const over = this.#mounted.findLast(({ target }) => path.startsWith(`${target}/`));
    if (over === undefined) return placeInImage(this.#host, this.#owner.lower, path);
    return imageHasFolder(this.#host, over.files, path.slice(over.target.length)) ? path : undefined;
  }

  /** The extension as it is mounted; undefined where it finds no place. */
  mount(mount: ExtensionMount): ExtensionMount | undefined {
    const directory = this.#place(mount.directory);
    if (directory === undefined) return undefined;
    if (mount.isSubdirectory) this.#empty(dirname(directory));
    const target = this.#place(join(directory, mount.target.slice(mount.directory.length)));
    if (target === undefined) return undefined;
    if (imageHasFolder(this.#host, this.#owner.lower, target)) this.#root.assume(this.at(target));
    if (!this.#root.bind(mount.image.files, this.at(target))) return undefined;
    this.#mounted.push({ target, files: mount.image.files });
    return { ...mount, directory, target };
  }

  /** The folder that subdirectories share shows nothing that the image may have in it. */
  #empty(folder: string): void {
    if (this.#emptied.has(folder)) return;
    this.#emptied.add(folder);
    const onHost = this.#owner.lower + folder;
    if (!imageHasFolder(this.#host, this.#owner.lower, folder) || this.#host.list(onHost).length === 0) return;
    this.#root.assume(this.at(folder));
    this.#root.tmpfs(this.at(folder));
  }

  /** Links what the extension has in its merged folders into those beside it; the first of a name counts. */
  merge({ image, directory, target, mergeDirs }: ExtensionMount): void {
    for (const mergeDir of mergeDirs) {
      const into = this.#place(join(dirname(directory), mergeDir));
      if (into === undefined || !imageHasFolder(this.#host, image.files, mergeDir)) continue;
      for (const name of this.#host.list(join(image.files, mergeDir))) {
        const link = join(into, name);
        if (this.#merged.has(link) || this.#isInImage(link)) continue;
        this.#merged.add(link);
        if (this.#merged.size > limits.mergedNames) {
          throw new DowelError(
            "LIMIT_EXCEEDED",
            `The extensions of one start merge more than ${limits.mergedNames} names, the last in ${mergeDir} of ${image.ref.id}`,
          );
        }
        this.#root.symlink(this.at(link), this.at(join(target, mergeDir, name)));
      }
    }
  }

  #isInImage(path: string): boolean {
    if ([...this.#emptied].some((folder) => path.startsWith(`${folder}/`))) return false;
    return this.#host.lookAt(this.#owner.lower + path) !== undefined;
  }
}

/**
 * Shows the extensions of an app or runtime at their places, and links from their merged folders. One whose place the
 * image has put elsewhere, behind a file or a link that leaves it, is left out. Throws `LIMIT_EXCEEDED`.
 */
function addExtensions(
  root: RootBuilder,
  host: Host,
  owner: ExtensionOwner,
  extensions: readonly ExtensionMount[],
): readonly ExtensionMount[] {
  const adder = new ExtensionAdder(root, host, owner);
  const added = new Map<ExtensionMount, ExtensionMount>();
  for (const extension of inMountOrder(extensions)) {
    const mounted = adder.mount(extension);
    if (mounted !== undefined) added.set(extension, mounted);
  }
  const mounts = extensions.flatMap((extension) => added.get(extension) ?? []);
  for (const mount of mounts) adder.merge(mount);
  return mounts.map((mount) => ({ ...mount, directory: adder.at(mount.directory), target: adder.at(mount.target) }));
}

function libraryPaths(mounts: readonly ExtensionMount[]): { readonly id: string; readonly path: string }[] {
  return mounts.flatMap(({ image, target, libraries }) =>
    libraries === undefined ? [] : [{ id: image.ref.id, path: join(target, libraries) }],
  );
}

/** Files for `/etc/ld.so.conf` to include, in the order of priority. */
function addLibraryPaths(root: RootBuilder, kind: "app" | "runtime", mounts: readonly ExtensionMount[]): void {
  for (const [index, { id, path }] of libraryPaths(mounts).entries()) {
    const number = String(index + 1).padStart(3, "0");
    root.file(`/run/flatpak/ld.so.conf.d/${kind}-${number}-${id}.conf`, `${path}\n`);
  }
}

/**
 * Shows the extensions of the app, then those of the runtime, and tells the linker of their libraries; answers those that
 * found a place. Throws `LIMIT_EXCEEDED`.
 */
export function addAllExtensions(
  root: RootBuilder,
  host: Host,
  { app, runtime, extensions }: SandboxContents,
  replaced: Partial<Pick<RunOptions, "app" | "usr">> = {},
): Extensions {
  const add = (lower: string, other: Replacement | undefined, mounts: readonly ExtensionMount[]) =>
    addExtensions(root, host, { lower, prefix: other === undefined ? "" : "/run/parent" }, mounts);
  const added = {
    app: app === undefined ? [] : add(app.lower, replaced.app, extensions.app),
    runtime: add(runtime.lower, replaced.usr, extensions.runtime),
  };
  addLibraryPaths(root, "app", added.app);
  addLibraryPaths(root, "runtime", added.runtime);
  return added;
}

/** The same for a build, whose `/app` is a folder of that name on the host. */
export function addBuildExtensions(
  root: RootBuilder,
  host: Host,
  build: { readonly appFolder: string; readonly sdkLower: string; readonly extensions: Extensions },
): void {
  addExtensions(root, host, { lower: dirname(build.appFolder), prefix: "" }, build.extensions.app);
  addExtensions(root, host, { lower: build.sdkLower, prefix: "" }, build.extensions.runtime);
}

/** `LD_LIBRARY_PATH` for a sandbox whose linker has no cache; undefined for no folders. */
export function libraryPathOf(app: SandboxImage | undefined, extensions: Extensions): string | undefined {
  const own = app === undefined ? [] : ["/app/lib"];
  const [before, after] = [extensions.app, extensions.runtime].map((mounts) =>
    libraryPaths(mounts).map(({ path }) => path),
  );
  const all = [...(before ?? []), ...own, ...(after ?? [])];
  return all.length === 0 ? undefined : all.join(":");
}
