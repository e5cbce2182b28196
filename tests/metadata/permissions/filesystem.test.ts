// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { formatFilesystem, parseFilesystem } from "../../../src/metadata/permissions/filesystem.ts";

describe("parseFilesystem()", () => {
  test.each([
    ["home", "home", "rw"],
    ["~", "home", "rw"],
    ["~/", "home", "rw"],
    ["host", "host", "rw"],
    ["host-os:ro", "host-os", "ro"],
    ["host-root", "host-root", "rw"],
    ["~/Games//x/", "~/Games/x", "rw"],
    ["home/Games", "~/Games", "rw"],
    ["/srv/data:ro", "/srv/data", "ro"],
    ["/srv/./data:create", "/srv/data", "create"],
    ["xdg-download:rw", "xdg-download", "rw"],
    ["xdg-config/kdeglobals:ro", "xdg-config/kdeglobals", "ro"],
    ["xdg-run/pipewire-0", "xdg-run/pipewire-0", "rw"],
    ["/with\\:colon\\\\:ro", "/with:colon\\", "ro"],
    ["!~/.ssh", "~/.ssh", "none"],
    ["!host", "host", "none"],
  ] as const)("parseFilesystem() reads %s", (text, path, mode) => {
    expect(parseFilesystem(text)).toEqual({ path, mode, reset: false });
  });

  test.each(["!host:reset", "!host-reset"])("parseFilesystem() reads %s as a reset", (text) => {
    expect(parseFilesystem(text)).toEqual({ path: "host", mode: "none", reset: true });
  });

  test.each([
    ["/", "syntax"],
    ["//", "syntax"],
    ["/a/../b", "syntax"],
    ["~/..", "syntax"],
    ["host:reset", "syntax"],
    ["!home:reset", "syntax"],
    ["homes", "unknown name"],
    ["", "unknown name"],
    ["xdg-run", "unknown name"],
    ["xdg-secret", "unknown name"],
    ["home:wx", "unknown suffix"],
    ["/a\u001b[2K", "control characters"],
    ["/a\u0000b", "control characters"],
    ["~/a\u2028b", "control characters"],
  ] as const)("parseFilesystem() says of %j: %s", (text, problem) => {
    expect(parseFilesystem(text)).toBe(problem);
  });
});

describe("formatFilesystem()", () => {
  test.each([
    ["home", "rw", "home"],
    ["/a:b", "ro", "/a\\:b:ro"],
    ["~/x", "none", "!~/x"],
    ["xdg-data/x", "create", "xdg-data/x:create"],
  ] as const)("formatFilesystem() writes %s with mode %s", (path, mode, expected) => {
    expect(formatFilesystem(path, mode)).toBe(expected);
  });
});
