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
  /**
   * What identifies the medium that it lies on, where that can be taken away: it is shown only while that very medium is
   * there, and not another at the same place.
   */
  readonly medium?: string | undefined;
}

/** What is no more than a place where media are mounted, below a tree that is refused. */
const mediaRoot = "/run/media";

/**
 * Whole trees that are not for apps: the system's own, and what decides over apps or starts programs. What holds one of
 * them is refused with it.
 */
function refusedTrees(home: string, installation: string): readonly string[] {
  const own = [".var", ".config", ".ssh", ".gnupg", ".local/share/flatpak"].map((name) => `${home}/${name}`);
  const system = ["/dev", "/proc", "/sys", "/run", "/boot", "/etc", "/usr", "/var/lib/dowel", "/var/lib/flatpak"];
  return [...system, ...own, installation];
}

/** The folder of all such files; `installation` is the user's own. */
export function libraryFolder(installation: string): string {
  return `${installation}/library`;
}

/** The file with an app's folders. @param name of the app's data: `ID` or `ID@PROFILE` */
export function libraryPath(installation: string, name: string): string {
  return `${libraryFolder(installation)}/${name}.json`;
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
    const medium = decoder.optional(folder["medium"], (text) => decoder.string(text, `${at}.medium`));
    return { name, path, access, ...(medium === undefined ? {} : { medium }) };
  });
}

/** A list of folders after a change, and what was changed of it. */
export interface LibraryEdit {
  readonly folders: readonly LibraryFolder[];
  readonly folder: LibraryFolder;
}

export function formatLibrary(folders: readonly LibraryFolder[]): string {
  return `${JSON.stringify({ folders }, undefined, 1)}\n`;
}

/** Leaves room for a number in a name, which file systems let have 255 bytes. */
const nameBytes = 200;

function freeName(folders: readonly LibraryFolder[], path: string): string {
  const cut = Buffer.from(basename(path).replace(/^\.+/, "")).subarray(0, nameBytes).toString("utf8");
  // What was cut in its middle is no character any more.
  const wanted = cut.replace(/\uFFFD+$/, "") || "folder";
  const taken = new Set(folders.map(({ name }) => name));
  for (let number = 2, name = wanted; ; name = `${wanted}-${number++}`) if (!taken.has(name)) return name;
}

/**
 * Throws `LIBRARY_INVALID` for a folder that is no app's business, or that holds one.
 *
 * @param home without links, as all paths
 */
export function checkFolder(path: string, home: string, installation: string): void {
  const tree = refusedTrees(home, installation).find((one) => isBelow(path, one) || isBelow(one, path));
  if (tree === undefined || (tree === "/run" && path.startsWith(`${mediaRoot}/`))) return;
  const what = isBelow(path, tree) ? `belongs to ${tree}` : `holds ${tree}`;
  throw new DowelError("LIBRARY_INVALID", `${path} is no folder to pick: it ${what}`, {
    hint: "Pick a folder of documents. What an app needs of the system can be given with: dowel override --filesystem",
  });
}

function isBelow(path: string, tree: string): boolean {
  return path === tree || path.startsWith(tree === "/" ? "/" : `${tree}/`);
}

/** With a folder more, or with other access to one that is there. Throws `LIMIT_EXCEEDED`. Pure. */
export function withFolder(folders: readonly LibraryFolder[], picked: Omit<LibraryFolder, "name">): LibraryEdit {
  const others = folders.filter((one) => one.path !== picked.path);
  if (others.length >= limits.libraryFolders) {
    throw new DowelError("LIMIT_EXCEEDED", `At most ${limits.libraryFolders} folders can be picked for an app`);
  }
  const known = folders.find((one) => one.path === picked.path);
  const folder = { name: known?.name ?? freeName(others, picked.path), ...picked };
  return { folders: [...others, folder], folder };
}

/** Without the folder of a path or a name. Throws `LIBRARY_NOT_FOUND`. Pure. */
export function withoutFolder(folders: readonly LibraryFolder[], word: string): LibraryEdit {
  const folder = folders.find((one) => one.path === word) ?? folders.find((one) => one.name === word);
  if (folder !== undefined) return { folders: folders.filter((one) => one !== folder), folder };
  throw new DowelError("LIBRARY_NOT_FOUND", `${word} was not picked for this app`, {
    hint: "See what was with: dowel library list APP",
  });
}
