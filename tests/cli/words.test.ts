// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import {
  endOptionsAtFirstArgument,
  leaveOutVerbose,
  orderedOptions,
  spellOutEmptyValues,
  splitCommand,
} from "../../src/cli/words.ts";

const takesNext = (word: string, next: string) => word === "registry" || `${word} ${next}` === "data backup";

describe("splitCommand()", () => {
  test.each([
    [["install", "--user", "x"], "install", ["--user", "x"]],
    [["--user", "install", "x"], "install", ["--user", "x"]],
    [["--installation", "extra", "list"], "list", ["--installation", "extra"]],
    [["registry", "serve", "--listen=:0"], "registry serve", ["--listen=:0"]],
    [["data", "backup", "x"], "data backup", ["x"]],
    [["data", "org.example.App"], "data", ["org.example.App"]],
    [["registry"], "registry", []],
    [["registry", "--help"], "registry", ["--help"]],
    [["-v", "list"], "list", []],
    [["--ostree-verbose", "--user", "run", "x", "-v"], "run", ["--user", "x", "-v"]],
    [["--version"], undefined, ["--version"]],
    [["-y", "--", "install"], undefined, ["-y"]],
  ])("finds the command in %j", (words, name, rest) => {
    expect(splitCommand(words, takesNext)).toEqual({ name, rest });
  });
});

describe("endOptionsAtFirstArgument()", () => {
  const withValue = new Set(["--command", "-c"]);

  test.each([
    [
      ["--devel", "app", "--help"],
      ["--devel", "--", "app", "--help"],
    ],
    [
      ["--command", "sh", "app", "-c", "x"],
      ["--command", "sh", "--", "app", "-c", "x"],
    ],
    [
      ["--command=", "app", "--command="],
      ["--command", "", "--", "app", "--command="],
    ],
    [
      ["--command=sh", "app"],
      ["--command=sh", "--", "app"],
    ],
    [
      ["app", "--", "x"],
      ["--", "app", "--", "x"],
    ],
    [["--devel"], ["--devel"]],
    [
      ["--", "app"],
      ["--", "app"],
    ],
  ])("ends the options of %j", (words, expected) => {
    expect(endOptionsAtFirstArgument(words, withValue)).toEqual(expected);
  });
});

describe("leaveOutVerbose()", () => {
  const withValue = new Set(["--command"]);

  test.each([
    [["-v", "x", "--verbose"], false, ["x"]],
    [["--ostree-verbose", "-vv", "x", "-v"], true, ["x", "-v"]],
    [["--command", "-v", "x"], true, ["--command", "-v", "x"]],
    [["-v", "--", "-v"], false, ["--", "-v"]],
  ])("of %j", (words, endAtFirstArgument, expected) => {
    expect(leaveOutVerbose(words, withValue, endAtFirstArgument)).toEqual(expected);
  });
});

test("orderedOptions() keeps the order in which options undo each other", () => {
  const words = ["--share=network", "--command", "--share=ipc", "--unshare", "network", "app", "--share=later"];
  const names = new Set(["--share", "--unshare"]);
  const withValue = new Set(["--share", "--unshare", "--command"]);
  expect(orderedOptions(words, withValue, (name) => names.has(name), true)).toEqual([
    "--share=network",
    "--unshare=network",
  ]);
});

test("spellOutEmptyValues() makes words of empty values, of options that take one and before --", () => {
  const words = ["--title=", "--odd=", "x=", "--", "--title="];
  expect(spellOutEmptyValues(words, new Set(["--title"]))).toEqual(["--title", "", "--odd=", "x=", "--", "--title="]);
});
