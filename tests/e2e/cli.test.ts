// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { commands } from "../../src/cli/commands.ts";
import { dowelPath, Sandpit } from "./support.ts";

const pit = new Sandpit();
afterAll(() => pit[Symbol.dispose]());

describe("dowel", () => {
  test("answers --version under both its names", () => {
    expect(pit.succeed(["--version"])).toMatch(/^Dowel \d+\.\d+\.\d+\n$/);
    expect(pit.succeed(["--version"], { name: "flatpak" })).toMatch(/^Dowel /);
  });

  test("names every command in --help, and in each command's own help an example", () => {
    const overview = pit.succeed(["--help"]);
    for (const [name, { hidden }] of Object.entries(commands)) {
      if (hidden !== true) expect(overview).toContain(name);
      const help = pit.succeed([...name.split(" "), "--help"]);
      expect(help).toContain("Examples:");
      expect(help).toContain(`dowel ${name}`);
    }
  });

  test("suggests the command that a misspelt one may mean", () => {
    const { status, stderr } = pit.dowel(["instal", "x"]);
    expect(status).toBe(1);
    expect(stderr).toContain("Did you mean 'install'?");
  });

  test("refuses an unknown option with a hint and without a stack", () => {
    const { status, stderr } = pit.dowel(["list", "--frobnicate"]);
    expect(status).toBe(1);
    expect(stderr).toContain("error:");
    expect(stderr).toContain("--help");
    expect(stderr).not.toContain("    at ");
  });

  test.each([
    [["list", "--colums=x"], "Unknown option --colums. Did you mean --columns?"],
    [["list", "-q"], "Unknown option -q"],
    [["list", "extra"], 'Unexpected word "extra"'],
    [["list", "--columns"], "--columns needs a value"],
    [["list", "--columns=name", "--columns=ref"], "--columns is given twice"],
    [["install"], "REF is missing"],
    [["remote-add", "x"], "LOCATION is missing"],
    [["build", "--layout=odd", "x.yml"], "--layout=odd: expected one of flatpak, rootfs, container"],
    [["build", "--jobs=many", "x.yml"], '--jobs="many"'],
    [["registry"], "'registry serve'"],
    [["--user"], "No command given"],
  ])("says what is wrong with %j", (words, text) => {
    const { status, stdout, stderr } = pit.dowel(words);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^error: .* \[USAGE\]\n(hint: .*\n)?$/);
    expect(stderr).toContain(text);
  });

  test("shows a command's help on 'help COMMAND', too, and its usage in one line", () => {
    expect(pit.succeed(["help"])).toBe(pit.succeed(["--help"]));
    expect(pit.succeed(["help", "info"])).toBe(pit.succeed(["info", "--help"]));
    expect(pit.succeed(["info", "--help"])).toContain("dowel info [OPTION…] REF [BRANCH]\n");
  });

  test("ends with an error, and no stack, where its output cannot be written", () => {
    for (const words of ["list --json", "--help", "list --columns=help"]) {
      const { status, stderr } = spawnSync("sh", ["-c", `exec "$0" ${words} >/dev/full`, dowelPath], {
        env: pit.environment,
        encoding: "utf8",
      });
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/^error: .*standard output/) });
      expect(stderr).not.toContain("    at ");
    }
  });

  test("says once that there is nothing to do, whatever the number of installations", () => {
    expect(pit.dowel(["update"])).toEqual({ status: 0, stdout: "", stderr: "Nothing to do.\n" });
    expect(pit.dowel(["uninstall", "--unused"])).toEqual({ status: 0, stdout: "", stderr: "Nothing to do.\n" });
  });

  test("takes options of the installation before and after the command", () => {
    expect(pit.succeed(["--user", "list", "--json"])).toBe("[]\n");
    expect(pit.succeed(["list", "--user", "--json"])).toBe("[]\n");
  });

  test("runs no code that the working directory or the environment names", () => {
    const folder = pit.path("work", "trap");
    mkdirSync(folder);
    const marker = "dowel-was-trapped";
    writeFileSync(`${folder}/evil.ts`, `console.log(${JSON.stringify(marker)})`);
    writeFileSync(`${folder}/bunfig.toml`, 'preload = ["./evil.ts"]\n');
    writeFileSync(`${folder}/.env`, "DOWEL_USER_DIR=/nonexistent\n");
    for (const environment of [
      {},
      { BUN_OPTIONS: "--preload ./evil.ts" },
      { BUN_BE_BUN: "1" },
      { NODE_OPTIONS: "--require ./evil.ts" },
    ]) {
      const { status, stdout, stderr } = pit.dowel(["list", "--json"], { cwd: folder, environment });
      expect({ status, stdout }).toEqual({ status: 0, stdout: "[]\n" });
      expect(stderr).not.toContain(marker);
    }
  });
});
