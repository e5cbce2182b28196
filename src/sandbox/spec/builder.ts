// SPDX-License-Identifier: Apache-2.0
import { dirname, join } from "node:path";
import type { ServedSocket } from "../../metadata/permissions/names.ts";
import type { Host } from "../probe/host.ts";
import type { LayerEntry, MountPoint, SpecificationMount } from "./types.ts";

type Bind = Extract<SpecificationMount, { kind: "bind" }>;

export interface BindOptions {
  readonly access?: "ro" | "rw";
  readonly devices?: true;
  readonly distrusted?: true;
  readonly optional?: true;
  readonly fromLayer?: true;
  readonly wayland?: true;
  /** Mount points that are missing below it can be made on the host before a start (`points`). */
  readonly grows?: true;
  /** What the mount point must be; by default a folder. */
  readonly type?: "directory" | "file";
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/**
 * Gathers the configuration layer and the mounts of a root. Each mount point is put where it has to be: into the
 * layer, or, below a tmpfs, left to the launcher, which makes what is missing there; below a bind it must be on the
 * host already.
 */
export class RootBuilder {
  readonly #host: Host;
  readonly #layer = new Map<string, LayerEntry>();
  readonly #made = new Set<string>();
  readonly #mounts: SpecificationMount[] = [];
  readonly #growing = new Set<SpecificationMount>();
  readonly #points = new Map<string, MountPoint>();

  constructor(host: Host) {
    this.#host = host;
  }

  get layer(): readonly LayerEntry[] {
    return [...this.#layer.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
  }

  get mounts(): readonly SpecificationMount[] {
    return this.#mounts;
  }

  /** What must be made below binds that grow; parents come first. */
  get points(): readonly MountPoint[] {
    return [...this.#points.values()];
  }

  /** Where a path lies: the last mount over it, or undefined for the layer. */
  #mountOf(path: string): SpecificationMount | undefined {
    return this.#mounts.findLast(
      (mount) =>
        (mount.kind === "bind" || mount.kind === "tmpfs" || mount.kind === "dev" || mount.kind === "proc") &&
        isWithin(path, mount.target),
    );
  }

  /** Puts an entry at a path, with folders above it. False where a bind or proc is in the way and the host lacks it. */
  #put(path: string, entry: LayerEntry, operation: SpecificationMount): boolean {
    const mount = this.#mountOf(path);
    if (this.#made.has(path) || mount?.target === path || path === "/") return true;
    if (mount === undefined && this.#layer.has(path)) return true;
    if (mount?.kind === "bind") return this.#isBelowBind(mount, path, entry);
    if (mount?.kind === "proc") return false;
    const parent = dirname(path);
    if (mount === undefined && !this.directory(parent)) return false;
    if (mount === undefined) {
      this.#addAbove(parent);
      this.#layer.set(path, entry);
    } else {
      this.#mounts.push(operation);
      this.#made.add(path);
    }
    return true;
  }

  /** Sees to it that the layer has a folder, also one that an image has, and those above it. */
  #addAbove(path: string): void {
    if (path === "/" || this.#layer.has(path)) return;
    this.#addAbove(dirname(path));
    this.#layer.set(path, { kind: "directory", path });
  }

  /** Whether a mount point is on the host below a bind, or will be. */
  #isBelowBind(mount: Bind, path: string, entry: LayerEntry): boolean {
    const source = join(mount.source, path.slice(mount.target.length));
    const there = this.#host.lookAt(source) !== undefined;
    if (!this.#growing.has(mount)) return there;
    if (entry.kind === "symlink") this.#points.set(source, { path: source, kind: "symlink", to: entry.to });
    else this.#points.set(source, { path: source, kind: entry.kind === "directory" ? "directory" : "file" });
    return true;
  }

  directory(path: string, mode = 0o755): boolean {
    return this.#put(path, { kind: "directory", path }, { kind: "directory", target: path, mode });
  }

  file(path: string, text = ""): boolean {
    return this.#put(path, { kind: "file", path, text }, { kind: "file", target: path, text });
  }

  /** A file of bytes in the configuration layer, which a printed specification shows by their digest. */
  data(path: string, bytes: Uint8Array): void {
    this.directory(dirname(path));
    this.#layer.set(path, { kind: "data", path, base64: Buffer.from(bytes).toString("base64") });
  }

  /** A copy of a host file in the configuration layer. */
  copy(path: string, source: string): void {
    this.directory(dirname(path));
    this.#layer.set(path, { kind: "copy", path, source });
  }

  symlink(path: string, to: string): boolean {
    return this.#put(path, { kind: "symlink", path, to }, { kind: "symlink", target: path, to });
  }

  /** A path that is there already: in the images, or made before the start. */
  assume(path: string): void {
    this.#made.add(path);
  }

  tmpfs(path: string, mode = 0o755): boolean {
    return this.#mount({ kind: "tmpfs", target: path, mode }, "directory");
  }

  special(kind: "proc" | "dev", path: string): boolean {
    return this.#mount({ kind, target: path }, "directory");
  }

  seal(path: string): void {
    this.#mounts.push({ kind: "seal", target: path });
  }

  /** What the launcher makes for each start: the instance's folder below a path, or its file at a path that is there. */
  instance(kind: "instance" | "info", path: string): void {
    this.#mounts.push({ kind, target: path });
  }

  /** The socket of a bus, which the session service serves. */
  bus(bus: ServedSocket, target: string): boolean {
    return this.#mount({ kind: "bus", bus, target }, "file");
  }

  bind(source: string, target: string, options: BindOptions = {}): boolean {
    const { access = "ro", type = "directory", grows, ...rest } = options;
    const mount: Bind = { kind: "bind", source, target, access, ...rest };
    if (grows === true) this.#growing.add(mount);
    return this.#mount(mount, type);
  }

  #mount(mount: SpecificationMount, type: "directory" | "file"): boolean {
    const above = this.#mountOf(mount.target)?.kind;
    const madeByLauncher = above === "tmpfs" || above === "dev";
    const ready = type === "directory" ? () => this.directory(mount.target) : () => this.file(mount.target);
    if (!madeByLauncher && !ready()) return false;
    for (const path of this.#made) if (isWithin(path, mount.target)) this.#made.delete(path);
    this.#mounts.push(mount);
    return true;
  }
}
