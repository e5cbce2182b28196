// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { dowelPath, makeLayout, ordinaryUser, Sandpit, startRegistry } from "./support.ts";

const pit = new Sandpit(ordinaryUser);
const host = new Sandpit();
let registry: Awaited<ReturnType<typeof startRegistry>>;

function complete(line: string): string[] {
  return pit
    .succeed(["complete", line, String(line.length)])
    .split("\n")
    .slice(0, -1);
}

/** What a shell's own script makes of a line, as the shell prints it. */
function inShell(words: readonly string[]): string[] {
  const [command = "", ...rest] = words;
  const environment = { ...pit.environment, PATH: `${pit.path("bin")}:${pit.environment["PATH"]}` };
  const options = { env: environment, cwd: pit.path("work"), encoding: "utf8" } as const;
  return execFileSync(command, rest, options).trim().split("\n").sort();
}

function bash(line: string, words: readonly string[]): string[] {
  const script = `. "$0"; COMP_LINE=$1 COMP_POINT=\${#1}; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _dowel; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return inShell(["bash", "-c", script, resolve("packaging/completions/dowel.bash"), line, ...words]);
}

function fish(line: string): string[] {
  const script = `source ${resolve("packaging/completions/dowel.fish")}; complete --do-complete "${line}"`;
  return inShell(["fish", "--no-config", "-c", script]);
}

beforeAll(async () => {
  registry = await startRegistry(host, host.path("registry"));
  const namespace = `oci+http://${registry.address}/apps`;
  host.succeed(["push", `oci:${makeLayout(host.folder, { text: "one\n" })}`, namespace]);
  pit.succeed(["remote-add", "--user", "example", namespace]);
  pit.succeed(["install", "--user", "-y", "example", "org.example.Probe"]);
  mkdirSync(pit.path("bin"));
  symlinkSync(dowelPath, pit.path("bin/dowel"));
  writeFileSync(pit.path("work/letter.txt"), "");
  mkdirSync(pit.path("work/lights"));
});
afterAll(async () => {
  await registry.stop();
  pit[Symbol.dispose]();
  host[Symbol.dispose]();
});

test("complete names what is installed, what remotes offer, and remotes", () => {
  expect(complete("dowel run org.")).toEqual(["org.example.Probe "]);
  expect(complete("dowel info ")).toEqual(["org.example.Platform ", "org.example.Probe "]);
  expect(complete("dowel info org.example.Probe ")).toEqual(["stable "]);
  expect(complete("dowel install --user exa")).toEqual(["__FLATPAK_FILE", "example "]);
  expect(complete("dowel install example org.example.Pl")).toEqual(["org.example.Platform "]);
  expect(complete("dowel remote-info example org.example.Pr")).toEqual(["org.example.Probe "]);
});

test("complete says nothing where a remote cannot be read", () => {
  writeFileSync(pit.path("home/.local/share/dowel/oci/example.index.json"), "{");
  expect(complete("dowel install example org")).toEqual([]);
});

test("a shell's scripts give the program's answers, and files of their own", () => {
  expect(bash("dowel inst", ["dowel", "inst"])).toEqual(["install"]);
  expect(bash("dowel list --columns=na", ["dowel", "list", "--columns", "=", "na"])).toEqual(["name"]);
  expect(bash("dowel build l", ["dowel", "build", "l"])).toEqual(["letter.txt", "lights"]);
  expect(bash("dowel library add org.example.Probe l", ["dowel", "library", "add", "x", "l"])).toEqual(["lights"]);
  expect(fish("dowel inst")).toEqual(["install"]);
  expect(fish("dowel list --columns=na")).toEqual(["--columns=name"]);
  expect(fish("dowel build l")).toEqual(["letter.txt", "lights/"]);
  expect(inShell(["zsh", "-n", resolve("packaging/completions/_dowel")])).toEqual([""]);
});
