// SPDX-License-Identifier: Apache-2.0
// Options of run that take open descriptors, other trees and kept versions, through the compiled program.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dowelPath, makeLayout, type Outcome, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`run by ${who}`, () => {
    const pit = new Sandpit(uid);

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"));
      mkdirSync(pit.path("work/tree"));
      writeFileSync(pit.path("work/tree/mark"), "of the tree");
      for (const name of ["images", "home", "work"]) pit.own(pit.path(name));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
    });
    afterAll(() => pit[Symbol.dispose]());

    /** Runs with a descriptor as number 3. */
    function withDescriptor(fd: number, ...words: readonly string[]): Outcome {
      const { status, stdout, stderr } = spawnSync(dowelPath, ["run", ...words], {
        env: pit.environment,
        cwd: pit.path("work"),
        stdio: ["ignore", "pipe", "pipe", fd],
        encoding: "utf8",
        ...(uid === 0 ? {} : { uid, gid: uid }),
      });
      return { status, stdout, stderr };
    }

    test("--instance-id-fd is told the number that /.flatpak-info has", () => {
      const file = pit.path("work/number");
      const fd = openSync(file, "w");
      const { status, stderr } = withDescriptor(fd, "--instance-id-fd=3", id, "files", "/run/flatpak/.flatpak");
      closeSync(fd);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(readFileSync(file, "utf8")).toMatch(/^[0-9]+$/);
    });

    test("--forward-fd passes a descriptor on, warm or not, and nothing else that is open", () => {
      const file = pit.path("work/passed");
      writeFileSync(file, "of the caller");
      const passed = openSync(file, "r");
      const other = openSync("/dev/null", "r");
      const [cold, warm] = [1, 2].map(() =>
        spawnSync(dowelPath, ["run", "--forward-fd=4", id, "fds"], {
          env: pit.environment,
          stdio: ["ignore", "pipe", "pipe", other, passed, other],
          encoding: "utf8",
          ...(uid === 0 ? {} : { uid, gid: uid }),
        }),
      );
      for (const outcome of [cold, warm]) {
        expect(outcome?.stderr).toBe("");
        expect(JSON.parse(outcome?.stdout ?? "").numbers).toEqual([0, 1, 2, 4]);
      }
      expect(withDescriptor(other, "--forward-fd=9", id, "fds").stderr).toContain(
        "--forward-fd=9: Bad file descriptor",
      );
      expect(withDescriptor(other, "--share=ipc", "--forward-fd=3", id, "fds").stderr).toContain("right behind 'run'");
      closeSync(other);
      closeSync(passed);
    });

    test("--forward-env-fd sets variables for one start, in place of all others of these names", () => {
      const file = pit.path("work/variables");
      const start = (text: string, ...words: readonly string[]): Outcome => {
        writeFileSync(file, text);
        const fd = openSync(file, "r");
        const outcome = withDescriptor(fd, "--forward-env-fd=3", ...words, id, "env");
        closeSync(fd);
        return outcome;
      };
      for (const colour of ["red", "blue"]) {
        const { stdout } = start(`COLOUR=${colour}\0USER=one\0EMPTY=\0`, "--env=COLOUR=green");
        expect(JSON.parse(stdout).variables).toMatchObject({ COLOUR: colour, USER: "one", EMPTY: "" });
        // What the caller's process needs is not what the app is told.
        expect(JSON.parse(start(`HOME=/nowhere\0XDG_RUNTIME_DIR=/${colour}\0`).stdout).variables.HOME).toBe("/nowhere");
      }
      for (const wrong of ["COLOUR=red", "COLOUR\0", "=red\0"]) {
        expect(start(wrong)).toMatchObject({ status: 1, stderr: expect.stringContaining("NAME=VALUE") });
      }
    });

    test("--bind-fd and --ro-bind-fd show a folder at its own place; --app-fd shows it as /app", () => {
      const fd = openSync(pit.path("work/tree"), "r");
      const mark = pit.path("work/tree/mark");
      for (const [option, path, write] of [
        ["--bind-fd=3", mark, "OK"],
        ["--ro-bind-fd=3", mark, "EROFS"],
        ["--app-fd=3", "/app/mark", "EROFS"],
      ] as const) {
        const { stdout } = withDescriptor(fd, option, "--command=/usr/bin/true", id, "files", path);
        expect(JSON.parse(stdout)).toMatchObject({ path, content: "of the tree", write });
      }
      closeSync(fd);
    });

    test("what a descriptor holds is shown, or nothing, when a link takes its place (CVE-2026-34078)", () => {
      mkdirSync(pit.path("work/other/secret"), { recursive: true });
      mkdirSync(pit.path("work/shown"));
      const fd = openSync(pit.path("work/shown"), "r");
      rmSync(pit.path("work/shown"), { recursive: true });
      symlinkSync(pit.path("work/other"), pit.path("work/shown"));
      const { status, stdout, stderr } = withDescriptor(fd, "--bind-fd=3", id, "files", pit.path("work/shown"));
      closeSync(fd);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toContain("HOST_PATH_UNSAFE");
    });

    test("--app-path gives another /app, and none for an empty path", () => {
      const options = ["--command=/usr/bin/true", id, "files", "/app", "/run/parent/app/share/text"];
      const lines = pit
        .succeed(["run", "--app-path=", ...options])
        .trim()
        .split("\n");
      expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ entries: [] }, { content: "one\n" }]);
      expect(pit.dowel(["run", "--app-path=/missing", id]).stderr).toContain("USAGE");
    });

    test("--commit takes a version by its beginning, and says what is kept where there is none", () => {
      const commit = pit.succeed(["info", "--show-commit", id]).trim();
      expect(pit.dowel(["run", `--commit=${commit.slice(0, 8)}`, id, "exit", "4"]).status).toBe(4);
      expect(pit.dowel(["run", `--commit=${"0".repeat(64)}`, id]).stderr).toContain(commit.slice(0, 12));
      expect(pit.dowel(["run", "--branch=beta", id]).stderr).toContain("stable");
    });
  });
}
