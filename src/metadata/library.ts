// SPDX-License-Identifier: Apache-2.0
// The library of an app: folders that its user picked for it, and that its sandboxes show while they are picked.
import { basename } from "node:path";
import { Decoder } from "../base/decode.ts";
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";

/** Where sandboxes show the folders, by their names. */
export const libraryShelf = "/run/flatpak/library";

export interface LibraryFolder {
  /** The last part of the path, with a number where another has it already. */
  readonly name: string;
  /** Absolute, without links. */
  readonly path: string;
  readonly access: "ro" | "rw";
}

/** Whole trees of the system's own, which no app has a use for. */
const refused = ["/dev", "/proc", "/sys", "/run", "/boot", "/etc", "/usr", "/var/lib/dowel"];

/** The file with an app's folders; `installation` is the user's own. */
export function libraryPath(installation: string, id: string): string {
  return `${installation}/library/${id}.json`;
}

/** Reads such a file. Throws `LIBRARY_INVALID`. @param where in messages */
export function parseLibrary(text: string, where: string): readonly LibraryFolder[] {
  const decoder = new Decoder("LIBRARY_INVALID", where);
  const top = decoder.object(decoder.parse(text), "");
  return decoder.array(top["folders"], "folders").map((value, index): LibraryFolder => {
    const at = `folders.${index}`;
    const folder = decoder.object(value, at);
    const [name, path] = [decoder.string(folder["name"], `${at}.name`), decoder.string(folder["path"], `${at}.path`)];
    if (!/^[^./\0][^/\0]*$/.test(name)) decoder.fail(`${at}.name`, "a name of a folder that is not hidden");
    if (!/^\/[^\0]+$/.test(path)) decoder.fail(`${at}.path`, "an absolute path");
    const access = folder["access"];
    if (access !== "ro" && access !== "rw") return decoder.fail(`${at}.access`, "ro or rw");
    return { name, path, access };
  });
}

export function formatLibrary(folders: readonly LibraryFolder[]): string {
  return `${JSON.stringify({ folders }, undefined, 1)}\n`;
}

function freeName(folders: readonly LibraryFolder[], path: string): string {
  const wanted = basename(path).replace(/^\.+/, "") || "folder";
  const taken = new Set(folders.map(({ name }) => name));
  for (let number = 2, name = wanted; ; name = `${wanted}-${number++}`) if (!taken.has(name)) return name;
}

/** With a folder more, or with other access to one that is there. Throws `LIBRARY_INVALID` or `LIMIT_EXCEEDED`. Pure. */
export function withFolder(
  folders: readonly LibraryFolder[],
  path: string,
  access: LibraryFolder["access"],
): { readonly folders: readonly LibraryFolder[]; readonly folder: LibraryFolder } {
  if (
    path === "/" ||
    refused.some((tree) => (path === tree || path.startsWith(`${tree}/`)) && !path.startsWith("/run/media/"))
  ) {
    throw new DowelError("LIBRARY_INVALID", `${path} is the system's own, and no folder to pick`);
  }
  const others = folders.filter((one) => one.path !== path);
  if (others.length >= limits.libraryFolders) {
    throw new DowelError("LIMIT_EXCEEDED", `At most ${limits.libraryFolders} folders can be picked for an app`);
  }
  const known = folders.find((one) => one.path === path);
  const folder = { name: known?.name ?? freeName(others, path), path, access };
  return { folders: [...others, folder], folder };
}

/** Without the folder of a path or a name. Throws `LIBRARY_NOT_FOUND`. Pure. */
export function withoutFolder(
  folders: readonly LibraryFolder[],
  word: string,
): { readonly folders: readonly LibraryFolder[]; readonly folder: LibraryFolder } {
  const folder = folders.find((one) => one.path === word) ?? folders.find((one) => one.name === word);
  if (folder !== undefined) return { folders: folders.filter((one) => one !== folder), folder };
  throw new DowelError("LIBRARY_NOT_FOUND", `${word} was not picked for this app`, {
    hint: "See what was with: dowel library list APP",
  });
}
