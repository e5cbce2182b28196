// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import type { Module } from "../manifest/types.ts";
import type { MergedOptions } from "./options.ts";

/** One command of a build; `inBuildFolder` is false where it runs in the source folder though there is a build folder. */
export interface Step {
  readonly words: readonly string[];
  readonly inBuildFolder: boolean;
  readonly environment?: ReadonlyMap<string, string>;
  /** Further words that nobody is shown, and variables that only this command has. */
  readonly secrets?: readonly string[];
  readonly secretEnvironment?: readonly string[];
}

export interface ModuleBuild {
  readonly module: Module;
  readonly options: MergedOptions;
  readonly jobs: number;
  /** Host path of the module's sources, `subdir` included. */
  readonly folder: string;
}

/** The name of the folder that builds outside their sources happen in. */
export const buildFolderName = "_flatpak_build";

/** Whether a module is built in a folder of its own below its sources. */
export function hasBuildFolder({ module, folder }: Pick<ModuleBuild, "module" | "folder">): boolean {
  if (module.buildSystem === "simple") return false;
  if (module.buildSystem === "autotools") return module.builddir || configureWantsBuildFolder(folder);
  return module.buildSystem !== "qmake" || module.builddir;
}

function configureWantsBuildFolder(folder: string): boolean {
  const path = join(folder, "configure");
  return existsSync(path) && readFileSync(path, "latin1").includes("buildapi-variable-require-builddir");
}

function step(words: readonly string[], inBuildFolder = true): Step {
  return { words, inBuildFolder };
}

/**
 * The commands of a module in order, as flatpak-manifest(5) has them: configure, make, build-commands, make install,
 * post-install, tests. Each is made only when the ones before it have run, because some depend on what they left.
 */
export function* moduleSteps(build: ModuleBuild): Generator<Step, void, undefined> {
  const { module } = build;
  yield* configureSteps(build);
  const tool = makeTool(build);
  if (tool !== undefined)
    yield step([...tool, ...parallel(build, tool), ...build.options.makeArgs, ...module.makeArgs]);
  for (const command of module.buildCommands) {
    yield { ...step(["/bin/sh", "-c", command]), secretEnvironment: module.secretEnv };
  }
  if (tool !== undefined && !module.noMakeInstall) {
    const rule = module.installRule ?? "install";
    yield step([...tool, rule, ...build.options.makeInstallArgs, ...module.makeInstallArgs]);
  }
  for (const command of module.postInstall) yield step(["/bin/sh", "-c", command]);
  if (module.runTests) yield* testSteps(build, tool);
}

function* testSteps({ module, jobs }: ModuleBuild, tool: readonly string[] | undefined): Generator<Step> {
  if (tool !== undefined) {
    const rule = module.testRule ?? (tool[0] === "ninja" ? "test" : "check");
    if (rule !== "") yield step([...tool, `-j${jobs}`, rule]);
  }
  for (const command of module.testCommands) yield step(["/bin/sh", "-c", command]);
}

function makeTool({ module, folder }: ModuleBuild): readonly string[] | undefined {
  const at = hasBuildFolder({ module, folder }) ? join(folder, buildFolderName) : folder;
  const need = (file: string): void => {
    if (!existsSync(join(at, file))) throw missing(module, `${file} after it was configured`);
  };
  switch (module.buildSystem) {
    case "simple":
      return undefined;
    case "meson":
    case "cmake-ninja":
      need("build.ninja");
      return ["ninja"];
    case "autotools":
      if (!["Makefile", "makefile", "GNUmakefile"].some((name) => existsSync(join(at, name)))) need("Makefile");
      return ["make"];
    default:
      need("Makefile");
      return ["make"];
  }
}

function parallel({ module, jobs }: ModuleBuild, tool: readonly string[]): readonly string[] {
  if (!module.noParallelMake) return [`-j${jobs}`, `-l${2 * jobs}`];
  return tool[0] === "ninja" ? ["-j1"] : [];
}

/** A command that configures, with the options that are secret. */
function configure({ module, options }: ModuleBuild, words: readonly string[]): Step {
  const all = [...words, ...options.configOpts, ...module.configOpts];
  return { ...step(all), secrets: [...options.secretOpts, ...module.secretOpts] };
}

function missing(module: Module, what: string): DowelError {
  return new DowelError("BUILD_FAILED", `Module ${module.name} (${module.buildSystem}): there is no ${what}`, {
    hint: "Check the sources, subdir and buildsystem of the module.",
  });
}

function configureSteps(build: ModuleBuild): Iterable<Step> {
  switch (build.module.buildSystem) {
    case "autotools":
      return autotools(build);
    case "cmake":
      return [cmake(build, "Unix Makefiles")];
    case "cmake-ninja":
      return [cmake(build, "Ninja")];
    case "meson":
      return [meson(build)];
    case "qmake":
      return [qmake(build)];
    default:
      return [];
  }
}

function* autotools(build: ModuleBuild): Generator<Step> {
  const { module, options, folder } = build;
  const script = join(folder, "configure");
  if (module.rmConfigure) rmSync(script, { force: true });
  if (!existsSync(script) && !module.noAutogen) {
    const names = ["autogen", "autogen.sh", "bootstrap", "bootstrap.sh"];
    const maker = names.find((name) => existsSync(join(folder, name)));
    if (maker === undefined) {
      if (!existsSync(join(folder, "Makefile"))) throw missing(module, `configure and none of ${names.join(", ")}`);
    } else {
      yield { ...step([`./${maker}`], false), environment: new Map([["NOCONFIGURE", "1"]]) };
    }
  }
  if (!existsSync(script)) return;
  const program = hasBuildFolder({ module, folder }) ? "../configure" : "./configure";
  const libdir = options.libdir === undefined ? [] : [`--libdir=${options.libdir}`];
  yield configure(build, [program, `--prefix=${options.prefix}`, ...libdir]);
}

function cmake(build: ModuleBuild, generator: string): Step {
  const { module, options, folder } = build;
  if (!existsSync(join(folder, "CMakeLists.txt"))) throw missing(module, "CMakeLists.txt");
  return configure(build, [
    "cmake",
    `-DCMAKE_INSTALL_PREFIX:PATH=${options.prefix}`,
    `-DCMAKE_INSTALL_LIBDIR:PATH=${options.libdir ?? "lib"}`,
    "-G",
    generator,
    "..",
  ]);
}

function meson(build: ModuleBuild): Step {
  const { module, options, folder } = build;
  if (!existsSync(join(folder, "meson.build"))) throw missing(module, "meson.build");
  const offline = options.buildArgs.includes("--share=network") ? [] : ["--wrap-mode=nodownload"];
  const folders = [`--prefix=${options.prefix}`, `--libdir=${options.libdir ?? `${options.prefix}/lib`}`];
  return configure(build, ["meson", "setup", ...offline, ...folders, ".."]);
}

function qmake(build: ModuleBuild): Step {
  const { module, options, folder } = build;
  const project = readdirSync(folder).find((name) => name.endsWith(".pro"));
  if (project === undefined) throw missing(module, "*.pro");
  const flag = (name: "cflags" | "cxxflags" | "ldflags"): string => options.flags.get(name) ?? "";
  return configure(build, [
    "qmake",
    `PREFIX=${options.prefix}`,
    `QMAKE_CFLAGS+=${flag("cflags")}`,
    `QMAKE_CXXFLAGS+=${flag("cxxflags")}`,
    `QMAKE_LFLAGS+=${flag("ldflags")}`,
    hasBuildFolder(build) ? `../${project}` : project,
  ]);
}
