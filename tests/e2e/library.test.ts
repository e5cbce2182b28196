// SPDX-License-Identifier: Apache-2.0
// Folders that a user picks for an app, in sandboxes that run and in those that are started later.
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { WaitingApp } from "./runningapps.ts";
import { ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";
const shelf = "/run/flatpak/library";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`library of ${who}`, () => {
    const pit = new Sandpit(uid);
    const pictures = pit.path("work/Pictures");
    const waiting = new WaitingApp(pit, id, () => {
      mkdirSync(pictures);
      writeFileSync(`${pictures}/one`, "picture");
    });

    /** What the running app sees at a path of the shelf. */
    function seen(path: string): unknown {
      return JSON.parse(pit.succeed(["enter", waiting.number, "/app/bin/probe", "files", `${shelf}/${path}`]));
    }

    test("library add shows a folder to an app that runs, to read and write", () => {
      const change = JSON.parse(pit.succeed(["library", "add", "--json", id, pictures]));
      expect(change).toEqual({
        folder: { name: "Pictures", path: pictures, access: "rw" },
        instances: [waiting.number],
        failed: [],
      });
      expect(seen("Pictures/one")).toMatchObject({ content: "picture", write: "OK" });
    });

    test("and to one that is started, and with other access in place", () => {
      const start = () => JSON.parse(pit.succeed(["run", id, "files", `${shelf}/Pictures/one`]));
      expect(start()).toMatchObject({ content: "picture", write: "OK" });
      pit.succeed(["library", "add", "--read-only", id, pictures]);
      for (const look of [start, () => seen("Pictures/one")]) {
        expect(look()).toMatchObject({ content: "picture", write: "EROFS" });
      }
      expect(JSON.parse(pit.succeed(["library", "list", "--json", id]))).toMatchObject([
        { name: "Pictures", path: pictures, access: "ro" },
      ]);
    });

    test("a second folder of the same name gets another, and each can be taken away at once", () => {
      const second = pit.path("home/Pictures");
      mkdirSync(second);
      writeFileSync(`${second}/two`, "other");
      pit.own(second);
      pit.succeed(["library", "add", id, second]);
      expect(seen("Pictures-2/two")).toMatchObject({ content: "other" });
      pit.succeed(["library", "remove", id, second]);
      expect(seen("Pictures-2/two")).toMatchObject({ stat: "ENOENT" });
      expect(seen("Pictures/one")).toMatchObject({ content: "picture" });
      pit.succeed(["library", "remove", id, "Pictures"]);
      expect(seen("Pictures")).toMatchObject({ stat: "ENOENT" });
      expect(JSON.parse(pit.succeed(["run", id, "files", `${shelf}/Pictures`]))).toMatchObject({ stat: "ENOENT" });
      // The host's folder is as it was.
      expect(readFileSync(`${pictures}/one`, "utf8")).toBe("picture");
    });

    test("a folder that is away at a start, as one of a stick, is left out", () => {
      const stick = pit.path("work/stick");
      mkdirSync(stick);
      pit.own(stick);
      pit.succeed(["library", "add", id, stick]);
      pit.succeed(["library", "remove", id, "stick"]);
      pit.succeed(["library", "add", id, stick]);
      rmSync(stick, { recursive: true });
      expect(pit.succeed(["run", id, "exit", "0"])).toBe("");
      pit.succeed(["library", "remove", id, stick]);
    });

    test("what makes no sense is refused, and nothing is kept of it", () => {
      symlinkSync("/etc", pit.path("work/link"));
      for (const [path, code] of [
        ["/", "LIBRARY_INVALID"],
        ["/proc/self", "LIBRARY_INVALID"],
        [pit.path("work/link"), "LIBRARY_INVALID"],
        [`${pictures}/one`, "LIBRARY_INVALID"],
        [pit.path("work/none"), "no such file"],
      ] as const) {
        const { status, stderr } = pit.dowel(["library", "add", id, path]);
        expect(status).toBe(1);
        expect(stderr).toContain(code);
      }
      expect(pit.dowel(["library", "add", "../../x", pictures]).stderr).toContain("no id of an app");
      expect(pit.dowel(["library", "remove", id, "none"]).stderr).toContain("[LIBRARY_NOT_FOUND]");
      expect(JSON.parse(pit.succeed(["library", "list", "--json", id]))).toEqual([]);
    });

    test("a folder that came to lie behind a link is not there, and none is picked by what it leads to", () => {
      const [parent, moved] = [pit.path("work/parent"), pit.path("work/moved")];
      mkdirSync(`${parent}/inner`, { recursive: true });
      writeFileSync(`${parent}/inner/one`, "inner");
      pit.own(parent);
      pit.succeed(["library", "add", id, `${parent}/inner`]);
      const start = () => JSON.parse(pit.succeed(["run", id, "files", `${shelf}/inner/one`]));
      expect([start(), start()]).toMatchObject([{ content: "inner" }, { content: "inner" }]);
      renameSync(parent, moved);
      symlinkSync(moved, parent);
      expect([start(), start()]).toMatchObject([{ stat: "ENOENT" }, { stat: "ENOENT" }]);
      expect(JSON.parse(pit.succeed(["library", "list", "--json", id]))).toMatchObject([{ available: false }]);
      rmSync(parent);
      renameSync(moved, parent);
      expect(start()).toMatchObject({ content: "inner" });
      pit.succeed(["library", "remove", id, "inner"]);
    });

    test("profiles have folders of their own, which go with them", () => {
      const list = (...words: string[]) => JSON.parse(pit.succeed(["library", "list", "--json", ...words, id]));
      const start = (...words: string[]) =>
        JSON.parse(pit.succeed(["run", ...words, id, "files", `${shelf}/Pictures/one`]));
      pit.succeed(["library", "add", "--profile=work", id, pictures]);
      expect([list().length, list("--profile=work").length]).toEqual([0, 1]);
      expect([start(), start("--profile=work")]).toMatchObject([{ stat: "ENOENT" }, { content: "picture" }]);
      expect(seen("Pictures")).toMatchObject({ stat: "ENOENT" });
      pit.succeed(["profile", "remove", "-y", id, "work"]);
      expect(list("--profile=work")).toEqual([]);
    });

    test("picked folders outlast the app, unless its data are deleted with it", () => {
      const count = () => JSON.parse(pit.succeed(["library", "list", "--json", id])).length;
      const install = () => pit.succeed(["install", "--user", "-y", `oci:${pit.path("images/layout")}`, id]);
      pit.succeed(["library", "add", id, pictures]);
      pit.succeed(["uninstall", "--user", "-y", id]);
      expect(count()).toBe(1);
      pit.succeed(["uninstall", "-y", "--delete-data"]);
      expect(count()).toBe(0);
      install();
      pit.succeed(["library", "add", id, pictures]);
      pit.succeed(["uninstall", "--user", "-y", "--delete-data", id]);
      expect(count()).toBe(0);
      expect(readFileSync(`${pictures}/one`, "utf8")).toBe("picture");
    });
  });
}
