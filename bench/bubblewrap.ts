// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { bindFlags, layout, mountKinds, planFlags } from "../src/sandbox/plan/layout.ts";

interface Section {
  readonly offset: number;
  readonly count: number;
}

/** Reads what a plan's mounts are, to tell bubblewrap the same. */
class PlanBytes {
  readonly #view: DataView;
  readonly #bytes: Buffer;

  constructor(path: string) {
    this.#bytes = readFileSync(path);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  get flags(): number {
    return this.u32(16);
  }

  section(index: number): Section {
    const at = 32 + index * 8;
    return { offset: this.u32(at), count: this.u32(at + 4) };
  }

  string(offset: number): string {
    return this.#bytes.toString("utf8", offset, this.#bytes.indexOf(0, offset));
  }

  words(index: number): string[] {
    const { offset, count } = this.section(index);
    return Array.from({ length: count }, (_, at) => this.string(this.u32(offset + at * layout.wordBytes)));
  }
}

function bindWords(flags: number): string {
  const trying = (flags & bindFlags.optional) === 0 ? "" : "-try";
  if ((flags & bindFlags.devices) !== 0) return `--dev-bind${trying}`;
  return `${(flags & bindFlags.readOnly) === 0 ? "--bind" : "--ro-bind"}${trying}`;
}

/** `known`: a folder to show where the plan shows one that each start makes for itself. */
function mountWords(plan: PlanBytes, at: number, known: string): string[] {
  const [kind, flags] = [plan.u32(at), plan.u32(at + 4)];
  const [target, source] = [plan.string(plan.u32(at + 8)), plan.u32(at + 12)];
  switch (kind) {
    case mountKinds.bind:
      return [bindWords(flags), plan.string(source), target];
    case mountKinds.tmpfs:
      return ["--tmpfs", target];
    case mountKinds.proc:
      return ["--proc", target];
    case mountKinds.dev:
      return ["--dev", target];
    case mountKinds.directory:
      return ["--dir", target];
    case mountKinds.symlink:
      return ["--symlink", plan.string(source), target];
    case mountKinds.instance:
      return ["--ro-bind", known, `${target}/1`];
    case mountKinds.bus:
      return ["--ro-bind", "/dev/null", target];
    case mountKinds.seal:
      return ["--remount-ro", target];
    default:
      // a file of text, which bubblewrap would read from a descriptor
      return ["--file", "0", target];
  }
}

/** What the configuration layer holds, as links and folders; its files are left out. */
function layerWords(folder: string, below = ""): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = `${below}/${entry.name}`;
    if (entry.isSymbolicLink()) return ["--symlink", readlinkSync(join(folder, path)), path];
    return entry.isDirectory() ? ["--dir", path, ...layerWords(folder, path)] : [];
  });
}

/** The words after `bwrap` that make a sandbox with the namespaces and the mounts of a plan. */
export function bubblewrapWords(planPath: string, command: readonly string[]): string[] {
  const plan = new PlanBytes(planPath);
  const [layer = "", ...images] = plan.words(2);
  const words = ["--unshare-user", "--unshare-pid", "--unshare-uts", "--unshare-cgroup", "--new-session"];
  if ((plan.flags & planFlags.network) !== 0) words.push("--unshare-net");
  if ((plan.flags & planFlags.ipc) !== 0) words.push("--unshare-ipc");
  for (const image of images) {
    for (const name of ["app", "usr"]) {
      const path = join(image, name);
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) words.push("--ro-bind", path, `/${name}`);
    }
  }
  words.push(...layerWords(layer));
  const { offset, count } = plan.section(3);
  for (let index = 0; index < count; index++) {
    words.push(...mountWords(plan, offset + index * layout.mountBytes, dirname(planPath)));
  }
  return [...words, "--remount-ro", "/", "--", ...command];
}
