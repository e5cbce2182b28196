// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseProxyWords } from "../../../src/session/proxy/options.ts";

const [address, path] = ["unix:path=/nowhere", "/tmp/nowhere"] as const;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-proxy-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What comes of `--args` with a descriptor of a file. */
function readFrom(file: string): ReturnType<typeof parseProxyWords> {
  const fd = openSync(file, "r");
  try {
    return parseProxyWords([`--args=${fd}`]);
  } finally {
    closeSync(fd);
  }
}

describe("parseProxyWords()", () => {
  test("reads several sockets, each with its own options", () => {
    const { proxies, syncFd } = parseProxyWords(["--fd=7", address, path, "--filter", "--log", address, `${path}2`]);
    expect(syncFd).toBe(7);
    expect(proxies.map(({ filter, log, sloppyNames }) => [filter, log, sloppyNames])).toEqual([
      [true, true, false],
      [false, false, false],
    ]);
    expect(proxies.map((proxy) => proxy.path)).toEqual([path, `${path}2`]);
  });

  const wrong: readonly (readonly [string, ...string[]])[] = [
    ["a switch with a value", address, path, "--filter=yes"],
    ["an option without its value", address, path, "--see"],
    ["an option of one dash", "-h"],
    ["an option of one dash behind a socket", address, path, "-x", "-y"],
    ["an option in place of the path", address, "-x"],
    ["no path", address],
    ["an empty path", address, ""],
    ["an option before all sockets", "--filter", address, path],
    ["a name of one part", address, path, "--talk=a"],
    ["a unique name", address, path, "--own=:1.5"],
    ["a star within a name", address, path, "--talk=org.a*"],
    ["a rule without rule", address, path, "--call=org.a.B"],
    ["a descriptor that is none", "--fd=abc", address, path],
    ["no socket", "--fd=1"],
  ];
  for (const [what, ...words] of wrong) {
    test(`refuses ${what}`, () => {
      expect(() => parseProxyWords(words)).toThrow(expect.objectContaining({ code: "USAGE" }));
    });
  }

  test("reads words from a descriptor, and no endless ones", () => {
    const file = join(folder, "words");
    writeFileSync(file, [address, path, "--filter", ""].join("\0"));
    expect(readFrom(file).proxies).toHaveLength(1);
    expect(() => readFrom("/dev/zero")).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  });
});
