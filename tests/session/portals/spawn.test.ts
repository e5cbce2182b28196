// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import { parseKeyfile } from "../../../src/formats/keyfile/parse.ts";
import { parseSpawn, spawnFlag, spawnWords } from "../../../src/session/portals/spawn.ts";

const info = parseKeyfile(
  `[Application]
name=org.example.App
runtime=runtime/org.example.Platform/x86_64/1

[Instance]
instance-path=/home/u/.var/app/org.example.App
app-commit=aa
runtime-commit=bb
branch=stable
arch=x86_64
extra-args=--socket=cups;--nofilesystem=home;

[Context]
shared=network;
sockets=wayland;
devices=dri;
`,
  "info",
);
const bytes = (text: string): Uint8Array => Buffer.from(`${text}\0`);

function parse(flags: number, options: readonly (readonly [string, Variant])[] = [], sandboxed = false) {
  return parseSpawn(bytes("/"), [bytes("true"), bytes("a")], new Map(), flags, new Map(options), sandboxed);
}

describe("spawnWords()", () => {
  test("makes the sandbox of the caller's version, options and network", () => {
    expect(spawnWords(info, parse(0))).toEqual([
      "--arch=x86_64",
      "--branch=stable",
      "--commit=aa",
      "--runtime=org.example.Platform/x86_64/1",
      "--runtime-commit=bb",
      "--socket=cups",
      "--nofilesystem=home",
      "--share=network",
      "--cwd=/",
      "--command=true",
    ]);
  });

  test("leaves versions out for the newest, and the network where it is not wanted", () => {
    const words = spawnWords(info, parse(spawnFlag.latestVersion | spawnFlag.noNetwork | spawnFlag.clearEnvironment));
    expect(words).not.toContain("--commit=aa");
    expect(words).toContain("--unshare=network");
    expect(words).toContain("--clear-env");
  });

  test("gives a sandbox without permissions only what the caller has itself", () => {
    const words = spawnWords(info, parse(spawnFlag.sandbox, [["sandbox-flags", variant("u", 1023)]]));
    const given = words.filter((word) => /^--(?:socket|device|share|session|a11y)/.test(word));
    expect(given).toEqual(["--socket=wayland", "--device=dri", "--session-bus", "--a11y-bus", "--share=network"]);
    expect(words).not.toContain("--socket=cups");
  });

  test("keeps a caller without permissions without them", () => {
    expect(spawnWords(info, parse(0, [], true))).toContain("--sandbox");
  });

  test("lets the sandbox own names on the accessibility bus only below the app's own", () => {
    const named = (name: string) => parse(spawnFlag.sandbox, [["sandbox-a11y-own-names", variant("as", [name])]]);
    expect(spawnWords(info, named("org.example.App.Web"))).toContain("--a11y-own-name=org.example.App.Web");
    for (const name of ["org.example.App", "org.example.Appetite", "org.a11y.Bus", "org.example.App.*"]) {
      expect(() => spawnWords(info, named(name))).toThrow("no name below");
    }
  });

  test("shows files of the sandbox folder by their names", () => {
    const found = spawnWords(info, parse(spawnFlag.sandbox, [["sandbox-expose-ro", variant("as", ["a b"])]]));
    expect(found).toContain("--filesystem=/home/u/.var/app/org.example.App/sandbox/a b:ro");
  });
});

describe("parseSpawn()", () => {
  test.each(["..", ".", "", "a/b", "/etc", "x:rw", "a\\:rw", "a\0b"])("refuses to expose %j", (name) => {
    for (const key of ["sandbox-expose", "sandbox-expose-ro"]) {
      expect(() => parse(spawnFlag.sandbox, [[key, variant("as", [name])]])).toThrow("no name of a file");
    }
  });

  test("refuses unknown flags, no command, and what is no text", () => {
    expect(() => parse(512)).toThrow("Unsupported flags");
    expect(() => parse(4, [["sandbox-flags", variant("u", 1024)]])).toThrow("Unsupported sandbox-flags");
    expect(() => parse(4, [["sandbox-expose", variant("s", "a")]])).toThrow("list of texts");
    const none = new Map<string, Variant>();
    expect(() => parseSpawn(bytes("/"), [], new Map(), 0, none, false)).toThrow("No command");
    expect(() => parseSpawn(bytes("/"), [bytes("a\0b")], new Map(), 0, none, false)).toThrow("without NUL");
    expect(() => parseSpawn(Uint8Array.of(0xff), [bytes("a")], new Map(), 0, none, false)).toThrow("UTF-8");
    expect(() => parseSpawn(bytes("/"), [bytes("a")], new Map([["A=B", "c"]]), 0, none, false)).toThrow("variable");
  });
});
