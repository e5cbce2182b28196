// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Command, execute } from "./measure.ts";

/** What takes long to make is kept here between runs. */
export const kept = resolve("build/bench");
/** What is measured: a copy, so that a build in the meantime changes nothing. */
const program = join(kept, "program");
export const dowel = join(program, "bin/dowel");
/** Installations and servers' folders of one run. */
export const work = join(kept, "work");

export const runtimeId = "org.debian.Bench";
export const appId = "org.dowel.BenchApp";
export const extendedId = "org.dowel.BenchExtended";
export const runtimeBranch = "12";

const folders = {
  DOWEL_SYSTEM_DIR: join(work, "dowel"),
  DOWEL_USER_DIR: join(work, "dowel-user"),
  FLATPAK_SYSTEM_DIR: join(work, "flatpak"),
  FLATPAK_USER_DIR: join(work, "flatpak-user"),
  FLATPAK_SYSTEM_CACHE_DIR: join(work, "flatpak-cache"),
  HOME: join(work, "home"),
  XDG_RUNTIME_DIR: join(work, "run"),
  XDG_CACHE_HOME: join(work, "cache"),
  XDG_DATA_HOME: join(work, "data"),
} as const;

/** All that either program writes lies below `work`. */
export const environment: Readonly<Record<string, string>> = folders;

export const dowelFolder = folders.DOWEL_SYSTEM_DIR;
export const flatpakFolder = folders.FLATPAK_SYSTEM_DIR;
/** Where warm starts find their plans. */
export const plansFolder = join(folders.XDG_RUNTIME_DIR, "dowel/plans");

export function dowelCommand(...words: string[]): Command {
  return { words: [dowel, ...words], environment };
}

export function flatpakCommand(...words: string[]): Command {
  return { words: ["flatpak", ...words], environment };
}

export function ostreeRepository(folder: string, mode = "archive-z2"): void {
  execute({ words: ["ostree", "init", `--repo=${folder}`, `--mode=${mode}`] });
}

function once(name: string, input: string, make: (folder: string) => void): string {
  const folder = join(kept, name);
  const stamp = `${folder}.done`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === input) return folder;
  rmSync(folder, { recursive: true, force: true });
  make(folder);
  writeFileSync(stamp, input);
  return folder;
}

export interface Trees {
  /** OCI layout as Dowel built it. */
  readonly layout: string;
  /** The same tree as a folder: `metadata` and `files/`. */
  readonly folder: string;
  /** OSTree repository with the same tree, for Flatpak. */
  readonly repository: string;
}

export const recipeState = join(kept, "state");

/** The words that build a recipe or a manifest of this folder. */
export function buildWords(file: string, layout: string): string[] {
  return ["build", file, `--state-dir=${recipeState}`, `--output=oci:${layout}`];
}

interface Manifest {
  readonly layers: readonly { readonly digest: string }[];
}

function blobPath(layout: string, digest: string): string {
  return join(layout, "blobs", digest.replace(":", "/"));
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

/** Unpacks the only layer of the only image of a layout. */
function unpackLayout(layout: string, folder: string): void {
  const index = readJson<{ readonly manifests: readonly { readonly digest: string }[] }>(join(layout, "index.json"));
  const manifest = readJson<Manifest>(blobPath(layout, index.manifests[0]?.digest ?? ""));
  mkdirSync(folder, { recursive: true });
  for (const { digest } of manifest.layers) {
    execute({ words: ["tar", "--zstd", "-xf", blobPath(layout, digest), "-C", folder] });
  }
}

/** Builds a recipe or manifest with Dowel, and makes of the result what Flatpak takes. */
function prepare(file: string, name: string, exportOptions: readonly string[]): Trees {
  const input = readFileSync(file, "utf8");
  const layout = once(`${name}-layout`, `${input}# zstd:chunked, view\n`, (folder) =>
    execute(dowelCommand(...buildWords(file, folder))),
  );
  const folder = once(`${name}-tree`, input, (target) => unpackLayout(layout, target));
  const repository = once(`${name}-repository`, input, (target) => {
    ostreeRepository(target);
    execute(flatpakCommand("build-export", "--disable-sandbox", ...exportOptions, target, folder, runtimeBranch));
  });
  return { layout, folder, repository };
}

/** The runtime of about 500 MB that the figures are about, as each peer wants it. */
export function prepareRuntime(): Trees {
  return prepare("bench/runtime.yml", "runtime", ["--runtime", "--files=files"]);
}

/** The runtime with some small packages more, in a repository that has the first one too. */
export function prepareUpdate(): Trees {
  return prepare("bench/update.yml", "update", ["--runtime", "--files=files"]);
}

/** Writes the recipe of the runtime for other mirrors, lines as in sources.list(5), and under another id. */
function writeRecipe(name: string, mirrors: readonly string[], id = runtimeId): string {
  const file = join(kept, `${name}.yml`);
  const lines = mirrors.map((mirror) => `  - ${mirror}\n`).join("");
  writeFileSync(file, `${readFileSync("bench/runtime.yml", "utf8").replace(runtimeId, id)}mirror:\n${lines}`);
  return file;
}

/** The runtime as the packages of some mirrors make it. */
export function prepareFrom(name: string, mirrors: readonly string[]): Trees {
  return prepare(writeRecipe(name, mirrors), name, ["--runtime", "--files=files"]);
}

/** The runtime of some mirrors as a layout, under another id: only the file `metadata` differs. */
export function prepareTwin(id: string, mirrors: readonly string[]): string {
  const file = writeRecipe("twin", mirrors, id);
  return once("twin-layout", `${readFileSync(file, "utf8")}# view\n`, (folder) =>
    execute(dowelCommand(...buildWords(file, folder))),
  );
}

/** A repository for apt with the newest packages that this machine is offered, by their names. */
export function prepareDebs(name: string, packages: readonly string[]): string {
  return once(name, packages.join(" "), (folder) => {
    mkdirSync(folder, { recursive: true });
    execute({ words: ["sh", "-c", `cd ${folder} && apt-get update -qq && apt-get download ${packages.join(" ")}`] });
    const stanzas = readdirSync(folder).map((file) => {
      const bytes = readFileSync(join(folder, file));
      const fields = execFileSync("dpkg-deb", ["--field", join(folder, file)], { encoding: "utf8" });
      const sum = createHash("sha256").update(bytes).digest("hex");
      return `${fields}Filename: ./${file}\nSize: ${bytes.length}\nSHA256: ${sum}\n`;
    });
    writeFileSync(join(folder, "Packages"), stanzas.join("\n"));
  });
}

/** An app with one script; the runtime must be installed in `dowelFolder`. */
export function prepareApp(): Trees {
  return prepare("bench/app.yml", "app", []);
}

/** The refs of a layout's images, and where each is unpacked. */
function unpackImages(layout: string, folder: string): readonly { readonly ref: string; readonly tree: string }[] {
  const index = readJson<{
    readonly manifests: readonly { readonly digest: string; readonly annotations: Readonly<Record<string, string>> }[];
  }>(join(layout, "index.json"));
  return index.manifests.map(({ digest, annotations }) => {
    const ref = annotations["org.opencontainers.image.ref.name"] ?? "";
    const tree = join(folder, ref);
    mkdirSync(tree, { recursive: true });
    for (const layer of readJson<Manifest>(blobPath(layout, digest)).layers) {
      execute({ words: ["tar", "--zstd", "-xf", blobPath(layout, layer.digest), "-C", tree] });
    }
    return { ref, tree };
  });
}

/** An app with ten extensions, as each peer wants it, and all their refs; the runtime must be installed in `dowelFolder`. */
export function prepareExtended(): Omit<Trees, "folder"> & { readonly refs: readonly string[] } {
  const file = "bench/extended.yml";
  const input = readFileSync(file, "utf8");
  const layout = once("extended-layout", input, (folder) => execute(dowelCommand(...buildWords(file, folder))));
  const repository = once("extended-repository", input, (target) => {
    ostreeRepository(target);
    for (const { ref, tree } of unpackImages(layout, join(kept, "extended-trees"))) {
      const options = ref.startsWith("runtime/") ? ["--runtime", "--files=files"] : [];
      execute(flatpakCommand("build-export", "--disable-sandbox", ...options, target, tree, runtimeBranch));
    }
  });
  const refs = readJson<{ readonly manifests: readonly { readonly annotations: Readonly<Record<string, string>> }[] }>(
    join(layout, "index.json"),
  ).manifests.map(({ annotations }) => annotations["org.opencontainers.image.ref.name"] ?? "");
  return { layout, repository, refs };
}

const image = join(kept, "work.img");

/** Takes the file system of a run away, and all that is on it. */
export function releaseWork(): void {
  spawnSync("umount", ["--lazy", work]);
  rmSync(image, { force: true });
}

/**
 * Mounts a new file system for a run: ext4 passes over inodes that were freed lately, one by one, so that what was
 * deleted before would be measured, too.
 */
function mountWork(): void {
  mkdirSync(work, { recursive: true });
  releaseWork();
  execute({ words: ["truncate", "--size=24G", image] });
  execute({ words: ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image] });
  execute({ words: ["mount", "-o", "loop", image, work] });
}

/** Makes the folders of a run. */
export function prepareWork(): void {
  mountWork();
  for (const name of ["bin/dowel", "lib/dowel/dowel-program"]) {
    mkdirSync(dirname(join(program, name)), { recursive: true });
    rmSync(join(program, name), { force: true });
    copyFileSync(join("build", name), join(program, name));
  }
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o755 });
  mkdirSync(folders.XDG_RUNTIME_DIR, { recursive: true, mode: 0o700 });
}
