// SPDX-License-Identifier: Apache-2.0

import type { Fields, Value } from "../../formats/document/value.ts";
import type { Includer } from "./include.ts";
import { decodeBuildOptions } from "./options.ts";
import { decodeSources } from "./source.ts";
import { type BuildSystem, buildSystems, type Module } from "./types.ts";

/** Reads a list of modules; a text in it is the path of a file with one module or a list of them. */
export function decodeModules(value: Value | undefined, includer: Includer): readonly Module[] {
  return (value?.list() ?? []).flatMap((item) => {
    if (item.node.kind !== "string") return [decodeModule(item, includer)];
    return includer.include(item, (included, inner) =>
      included.node.kind === "list" ? decodeModules(included, inner) : [decodeModule(included, inner)],
    );
  });
}

function decodeModule(value: Value, includer: Includer): Module {
  const fields = value.fields();
  const name = fields.required("name");
  if (!/^[^/\s\0]+$/.test(name.text()) || /^\.\.?$/.test(name.text())) name.fail("a name without '/' and spaces");
  for (const key of ["ensure-writable", "no-python-timestamp-fix"]) fields.get(key);
  const module: Module = {
    name: name.text(),
    ...decodeSelection(fields, includer),
    ...decodeBuildSteps(fields),
    licenseFiles: decodeLicenseFiles(fields.get("license-files"), includer),
    sources: decodeSources(fields.get("sources"), includer),
    modules: decodeModules(fields.get("modules"), includer),
    buildOptions: decodeBuildOptions(fields.get("build-options")),
    cleanup: fields.texts("cleanup"),
    cleanupPlatform: fields.texts("cleanup-platform"),
  };
  fields.done();
  if (module.buildSystem === "simple" && module.buildCommands.length === 0 && module.sources.length > 0) {
    value.fail('the key "build-commands", because buildsystem is simple');
  }
  return module;
}

function decodeSelection(
  fields: Fields,
  includer: Includer,
): Pick<Module, "subdir" | "disabled" | "onlyArches" | "skipArches"> {
  return {
    subdir: includer.insidePath(fields.get("subdir"))?.join("/"),
    disabled: fields.flag("disabled"),
    onlyArches: fields.texts("only-arches"),
    skipArches: fields.texts("skip-arches"),
  };
}

type Steps = Omit<
  Module,
  | "name"
  | "sources"
  | "modules"
  | "buildOptions"
  | "cleanup"
  | "cleanupPlatform"
  | "licenseFiles"
  | keyof ReturnType<typeof decodeSelection>
>;

function decodeBuildSteps(fields: Fields): Steps {
  return {
    buildSystem: decodeBuildSystem(fields),
    builddir: fields.flag("builddir"),
    configOpts: fields.texts("config-opts"),
    secretOpts: fields.texts("secret-opts"),
    secretEnv: fields.texts("secret-env"),
    makeArgs: fields.texts("make-args"),
    makeInstallArgs: fields.texts("make-install-args"),
    rmConfigure: fields.flag("rm-configure"),
    noAutogen: fields.flag("no-autogen"),
    noParallelMake: fields.flag("no-parallel-make"),
    noMakeInstall: fields.flag("no-make-install"),
    installRule: fields.text("install-rule"),
    testRule: fields.text("test-rule"),
    runTests: fields.flag("run-tests"),
    testCommands: fields.texts("test-commands"),
    buildCommands: fields.texts("build-commands"),
    postInstall: fields.texts("post-install"),
  };
}

/** Paths below the sources, so that no file of the host gets into the image (CVE-2026-39977). */
function decodeLicenseFiles(value: Value | undefined, includer: Includer): Module["licenseFiles"] {
  return value?.list().map((item) => {
    const path = includer.insidePath(item) ?? [];
    return path.length > 0 ? path : item.fail("the path of a file below the sources");
  });
}

function decodeBuildSystem(fields: Fields): BuildSystem {
  const system = fields.get("buildsystem")?.oneOf(buildSystems);
  const cmake = fields.flag("cmake");
  return system ?? (cmake ? "cmake" : "autotools");
}
