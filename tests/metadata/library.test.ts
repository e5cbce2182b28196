// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { limits } from "../../src/base/limits.ts";
import {
  checkFolder,
  formatLibrary,
  type LibraryFolder,
  libraryPath,
  parseLibrary,
  withFolder,
  withoutFolder,
} from "../../src/metadata/library.ts";

const home = "/home/ann";
const installation = `${home}/.local/share/dowel`;
const check = (path: string) => () => checkFolder(path, home, installation);

describe("checkFolder()", () => {
  test.each([
    "/home/ann/Pictures",
    "/media/ann/stick",
    "/run/media/ann/stick",
    "/srv/data",
    "/home/ann/.photos",
    "/mnt",
  ])("takes %s", (path) => {
    expect(check(path)).not.toThrow();
  });

  test.each([
    ["/", "holds /dev"],
    ["/proc/self", "belongs to /proc"],
    ["/dev", "belongs to /dev"],
    ["/run", "belongs to /run"],
    ["/run/media", "belongs to /run"],
    ["/run/user/1000", "belongs to /run"],
    ["/usr/share", "belongs to /usr"],
    ["/var", "holds /var/lib/dowel"],
    ["/home", "holds /home/ann/.var"],
    ["/home/ann", "holds /home/ann/.var"],
    ["/home/ann/.var/app/org.example.Other/data", "belongs to /home/ann/.var"],
    ["/home/ann/.ssh", "belongs to /home/ann/.ssh"],
    ["/home/ann/.config/autostart", "belongs to /home/ann/.config"],
    ["/home/ann/.local", "holds /home/ann/.local/share/flatpak"],
    [`${installation}/library`, `belongs to ${installation}`],
  ])("refuses %s, since it %s", (path, why) => {
    expect(check(path)).toThrow(
      expect.objectContaining({ code: "LIBRARY_INVALID", message: expect.stringContaining(why) }),
    );
  });
});

describe("parseLibrary()", () => {
  const folder: LibraryFolder = { name: "Photos", path: "/media/ann/stick/Photos", access: "rw", medium: "uuid:ab" };

  test("gives what formatLibrary() was given", () => {
    const { medium: _, ...plain } = { ...folder, name: "Plain" };
    expect(parseLibrary(formatLibrary([folder, plain]), "x")).toEqual([folder, plain]);
  });

  test.each([
    [{ ...folder, name: "" }, "name"],
    [{ ...folder, name: ".." }, "name"],
    [{ ...folder, name: "a/b" }, "name"],
    [{ ...folder, name: "a\0b" }, "name"],
    [{ ...folder, path: "relative" }, "path"],
    [{ ...folder, path: "/a\0b" }, "path"],
    [{ ...folder, access: "rwx" }, "access"],
    [{ ...folder, medium: 7 }, "medium"],
  ])("refuses a folder with another value (%#)", (wrong, key) => {
    const text = JSON.stringify({ folders: [folder, wrong] });
    expect(() => parseLibrary(text, "the file")).toThrow(`the file: folders.1.${key} must be`);
  });
});

describe("withFolder()", () => {
  const add = (folders: readonly LibraryFolder[], path: string) => withFolder(folders, { path, access: "ro" });

  test("names a folder by its path, and others of the same name with a number", () => {
    let folders: readonly LibraryFolder[] = [];
    for (const path of ["/a/x", "/b/x", "/c/x", "/d/.hidden", "/e/..."]) folders = add(folders, path).folders;
    expect(folders.map(({ name }) => name)).toEqual(["x", "x-2", "x-3", "hidden", "folder"]);
  });

  test("cuts long names, so that a number fits", () => {
    const long = "\u00e9".repeat(127);
    const { folders } = add(add([], `/a/${long}`).folders, `/b/${long}`);
    expect(folders.map(({ name }) => name)).toEqual(["\u00e9".repeat(100), `${"\u00e9".repeat(100)}-2`]);
    expect(add([], `/a/a${long}`).folder.name).toBe(`a${"\u00e9".repeat(99)}`);
  });

  test("keeps the name of one that is there, and takes its new access", () => {
    const { folders } = withFolder(add(add([], "/a/x").folders, "/b/x").folders, { path: "/a/x", access: "rw" });
    expect(folders).toEqual([
      { name: "x-2", path: "/b/x", access: "ro" },
      { name: "x", path: "/a/x", access: "rw" },
    ]);
  });

  test("takes as many as allowed", () => {
    let folders: readonly LibraryFolder[] = [];
    for (let index = 0; index < limits.libraryFolders; index++) folders = add(folders, `/a/${index}`).folders;
    expect(() => add(folders, "/a/more")).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    expect(add(folders, "/a/7").folders).toHaveLength(limits.libraryFolders);
    expect(withoutFolder(folders, "/a/7").folder.name).toBe("7");
    expect(() => withoutFolder(folders, "none")).toThrow(expect.objectContaining({ code: "LIBRARY_NOT_FOUND" }));
  });
});

test("libraryPath() keeps profiles apart", () => {
  expect(libraryPath("/i", "org.example.App@work")).toBe("/i/library/org.example.App@work.json");
});
