// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { hostArch } from "../../src/base/arch.ts";
import { type ImageLayout, writeImage } from "../../src/builder/image/image.ts";
import { addParents, type Tree } from "../../src/builder/tree/types.ts";
import { openLayoutWriter } from "../../src/oci/layoutwriter.ts";

const searched = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/** Where programs come from, with the libraries of all of them. */
export interface ProgramSource {
  /** The root of the system that they belong to; what it lacks comes from this machine. */
  readonly root: string;
  /** Words that print the libraries of the program named after them. */
  readonly listLibraries: readonly string[];
}

export const thisMachine: ProgramSource = { root: "/", listLibraries: ["ldd"] };

function isModule(name: string): boolean {
  return name.startsWith("lib/");
}

function findProgram(name: string, { root }: ProgramSource): string {
  const own = join(root, "usr", isModule(name) ? "" : "bin", name);
  if (existsSync(own)) return own;
  return execFileSync("which", [name], { encoding: "utf8", env: { PATH: searched.join(":") } }).trim();
}

/** The shared libraries that a program needs, the loader too, and where each belongs; none where it is static. */
function librariesOf(program: string, { root, listLibraries }: ProgramSource): ReadonlyMap<string, string> {
  const text = execFileSync("sh", ["-c", '"$@" 2>/dev/null || true', "sh", ...listLibraries, program], {
    encoding: "utf8",
  });
  const found = [...text.matchAll(/(\/\S+)(?: => (\/\S+))? \(0x/g)];
  return new Map(
    found.map(([, name = "", path = name]) => [join("/", path === name ? relative(root, name) : name), path]),
  );
}

/**
 * Copies programs with their libraries into a tree that shall be somebody's `/usr`.
 *
 * @param names of programs or paths of them; or modules as `lib/NAME`, which keep their place
 */
export function copyPrograms(usr: string, names: readonly string[], source = thisMachine): void {
  const copied = new Set<string>();
  const copy = (from: string, to: string): void => {
    if (copied.has(to)) return;
    copied.add(to);
    mkdirSync(dirname(join(usr, to)), { recursive: true });
    copyFileSync(realpathSync(from), join(usr, to));
  };
  for (const name of names) {
    const program = findProgram(name, source);
    copy(program, isModule(name) ? name : join("bin", basename(name)));
    for (const [place, path] of librariesOf(program, source)) copy(path, place.replace(/^(\/usr)?\//, ""));
  }
}

/** The files of a folder as an image's tree. */
function treeOf(folder: string): Tree {
  const tree: Tree = new Map();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(folder, name);
    const found = statSync(path);
    addParents(tree, name);
    if (found.isDirectory()) tree.set(name, { kind: "directory" });
    else {
      const content = { kind: "range", path, offset: 0, size: found.size } as const;
      tree.set(name, { kind: "file", executable: (found.mode & 0o100) !== 0, content });
    }
  }
  return tree;
}

const baseId = "org.example.Base";
export const baseRef = `runtime/${baseId}/${hostArch()}/1`;

const basePrograms = ["sh", "cat", "id", "install", "mkdir", "strip", "ldconfig"];

/** Writes an image of a small runtime, which is its own Sdk: a shell and a few programs of this machine. */
export async function makeBase(
  layout: string,
  programs: readonly string[] = basePrograms,
  form: ImageLayout = "flatpak",
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "dowel-base-"));
  try {
    copyPrograms(join(folder, "files"), programs);
    mkdirSync(join(folder, "files/etc"));
    const name = baseRef.slice("runtime/".length);
    const metadata = `[Runtime]\nname=${baseId}\nruntime=${name}\nsdk=${name}\n`;
    writeFileSync(join(folder, "metadata"), metadata);
    const ref = { kind: "runtime", id: baseId, arch: hostArch(), branch: "1" } as const;
    const input = { ref, tree: treeOf(folder), metadata, layout: form, timestamp: 1, subject: "Base" };
    await writeImage(await openLayoutWriter(layout), input, { compression: "gzip", signal: undefined });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
