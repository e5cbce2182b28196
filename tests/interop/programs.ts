// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { hostArch } from "../../src/base/arch.ts";
import { type ImageLayout, writeImage } from "../../src/builder/image/image.ts";
import { addParents, type Tree } from "../../src/builder/tree/types.ts";
import { openLayoutWriter } from "../../src/oci/layoutwriter.ts";

const searched = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

function findProgram(name: string): string {
  return execFileSync("which", [name], { encoding: "utf8", env: { PATH: searched.join(":") } }).trim();
}

/** The shared libraries that a program of this machine needs, the loader too; none where it is static. */
function librariesOf(program: string): readonly string[] {
  const text = execFileSync("sh", ["-c", 'ldd "$0" 2>/dev/null || true', program], { encoding: "utf8" });
  return [...text.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => (path === undefined ? [] : [path]));
}

/** Copies programs of this machine with their libraries into a tree that shall be somebody's `/usr`. */
export function copyPrograms(usr: string, names: readonly string[]): void {
  const copied = new Set<string>();
  const copy = (from: string, to: string): void => {
    if (copied.has(to)) return;
    copied.add(to);
    mkdirSync(dirname(join(usr, to)), { recursive: true });
    copyFileSync(realpathSync(from), join(usr, to));
  };
  for (const name of names) {
    const program = findProgram(name);
    copy(program, join("bin", basename(name)));
    for (const library of librariesOf(program)) copy(library, library.replace(/^(\/usr)?\//, ""));
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
