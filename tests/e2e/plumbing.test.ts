// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandpit } from "./support.ts";

const emptyDump = "/ 0 40755 2 0 0 0 0.0 - - -\n";
/** Digests of the image of a tree that is only `/`, 0755, root, time 0. */
const emptyDigests = {
  0: "8f589e8f57ecb88823736b0d857ddca1e1068a23e264fad164b28f7038eb3682",
  1: "14a26c957c84f6eb774b91205476adc13196c7c33b9dd97d08d43725ecb90b63",
} as const;

const pit = new Sandpit();
afterAll(() => pit[Symbol.dispose]());
const plumbing = (...words: readonly string[]) => pit.succeed(["plumbing", ...words]);

test("dowel plumbing bus-proxy tells its version, as xdg-dbus-proxy does", () => {
  expect(plumbing("bus-proxy", "--version")).toMatch(/^Dowel [0-9.]+\n$/);
});

describe("dowel plumbing mkcomposefs", () => {
  test("prints the digest of the image of a dump that comes from standard input", () => {
    for (const version of [0, 1] as const) {
      const words = ["plumbing", "mkcomposefs", "--from-file", `--min-version=${version}`, "--print-digest-only", "-"];
      expect(pit.succeed(words, { input: emptyDump })).toBe(`${emptyDigests[version]}\n`);
    }
  });

  test("writes an image and stores the contents, which the other commands show", () => {
    const tree = pit.path("work", "tree");
    mkdirSync(tree);
    writeFileSync(join(tree, "large"), "x".repeat(10_000));
    writeFileSync(join(tree, "small file"), "hello");
    const digest = plumbing("mkcomposefs", "--digest-store=objects", "--print-digest", "tree", "image").trim();
    expect(plumbing("fsverity-digest", "image", "tree/large")).toBe(
      execFileSync("fsverity", ["digest", "image", "tree/large"], { cwd: pit.path("work"), encoding: "utf8" }),
    );
    expect(plumbing("fsverity-digest", "--compact", "image").trim()).toBe(digest);
    const dump = plumbing("composefs-dump", "image");
    expect(dump).toMatch(/^\/ 4096 40755 2 /);
    expect(dump).toMatch(/\n\/small\\x20file 5 100644 1 \d+ \d+ 0 \d+\.\d+ - hello -\n/);
    const object = /\n\/large 10000 \S+ 1 \d+ \d+ 0 \S+ (\S+) - /.exec(dump)?.[1] ?? "";
    expect(readFileSync(pit.path("work", "objects", object), "utf8")).toBe("x".repeat(10_000));
    writeFileSync(pit.path("work", "dump"), dump);
    expect(plumbing("mkcomposefs", "--from-file", "--print-digest", "dump", "again").trim()).toBe(digest);
  });

  test("writes the image to standard output", () => {
    writeFileSync(pit.path("work", "empty-dump"), emptyDump);
    const words = "plumbing mkcomposefs --from-file --min-version=1 empty-dump -".split(" ");
    const { status, stdout } = pit.dowel(words);
    expect(status).toBe(0);
    expect(stdout.slice(1024, 1100)).toContain("\u0000");
    expect(plumbing("mkcomposefs", "--from-file", "--min-version=1", "--threads=2", "empty-dump", "image-1")).toBe("");
    expect(stdout).toBe(readFileSync(pit.path("work", "image-1"), "utf8"));
  });

  test.each([
    ["no destination", ["mkcomposefs", "tree"], "destination"],
    ["a destination that is not wanted", ["mkcomposefs", "--print-digest-only", "tree", "image"], "destination"],
    ["a version that is no number", ["mkcomposefs", "--min-version=x", "tree", "image"], "--min-version"],
    ["a version that cannot be written", ["mkcomposefs", "--min-version=2", "tree", "image"], "versions 0 and 1"],
    [
      "a greatest version that cannot be written",
      ["mkcomposefs", "--max-version=2", "tree", "image"],
      "versions 0 and 1",
    ],
    ["no threads", ["mkcomposefs", "--threads=0", "tree", "image"], "--threads"],
    ["a source that is not there", ["mkcomposefs", "nothing", "image"], "nothing"],
    ["a dump that is none", ["mkcomposefs", "--from-file", "tree/large", "image"], "line 1"],
    ["no file", ["fsverity-digest"], "file"],
    ["a folder", ["fsverity-digest", "tree"], "tree"],
    ["an image that is none", ["composefs-dump", "tree/large"], "composefs image"],
  ])("and the others refuse %s", (_, words, named) => {
    const { status, stdout, stderr } = pit.dowel(["plumbing", ...words]);
    expect(status).not.toBe(0);
    expect(stdout).toBe("");
    expect(stderr).toContain(named);
    expect(stderr).not.toContain("    at ");
  });
});
