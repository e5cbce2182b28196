// SPDX-License-Identifier: Apache-2.0
import { constants, copyFileSync, existsSync, fstatSync, lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf } from "../../base/errors.ts";
import { Descriptor } from "../../sys/beneath.ts";
import type { Module } from "../manifest/types.ts";
import { makeInside } from "../sources/place.ts";

const fileNames = /^(COPYING|COPYRIGHT|LICEN)/;
const folderNames = ["LICENSES", "LICENCES"];

/** The texts of licences that lie where every project has them: at the top, or in a folder of that name. */
function usualFiles(folder: string): readonly (readonly string[])[] {
  const isFile = (names: readonly string[]) => lstatSync(join(folder, ...names)).isFile();
  const top = readdirSync(folder).filter((name) => fileNames.test(name));
  const inside = folderNames
    .filter((name) => lstatSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory() === true)
    .flatMap((name) => readdirSync(join(folder, name)).map((file) => [name, file]));
  return [...top.map((name) => [name]), ...inside].filter(isFile).sort();
}

/**
 * Puts the licences of a module into `share/licenses/ID/MODULE`. The sources are foreign, so a file is opened beneath them
 * and never through a link (CVE-2026-39977). Throws `SOURCE_INVALID` for one that the manifest names and that is no file.
 */
export function installLicenses(module: Module, folder: string, appFolder: string, id: string): void {
  if (!existsSync(folder)) return;
  const files = module.licenseFiles ?? usualFiles(folder);
  if (files.length === 0) return;
  using root = Descriptor.open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const target = makeInside(appFolder, ["share", "licenses", id, module.name]);
  for (const names of files) {
    using file = openFile(root, names, module);
    const path = join(target, names.join("-"));
    rmSync(path, { recursive: true, force: true });
    copyFileSync(file.path, path, constants.COPYFILE_EXCL);
  }
}

function openFile(root: Descriptor, names: readonly string[], module: Module): Descriptor {
  const invalid = (cause?: unknown) =>
    new DowelError("SOURCE_INVALID", `Module ${module.name}: license-files: expected a file at ${names.join("/")}`, {
      hint: "It must lie below the sources of the module, with no link on the way.",
      cause,
    });
  let file: Descriptor;
  try {
    file = Descriptor.beneath(root, names.join("/"), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw invalid(error);
  }
  if (fstatSync(file.fd).isFile()) return file;
  file[Symbol.dispose]();
  throw invalid();
}
