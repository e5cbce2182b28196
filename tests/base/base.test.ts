// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { fromOciArch, toOciArch } from "../../src/base/arch.ts";
import { Decoder } from "../../src/base/decode.ts";
import { checkCancelled, DowelError, errnoOf, fileError, isDowelError } from "../../src/base/errors.ts";
import { splitRelativePath } from "../../src/base/paths.ts";
import { compareBytes, decodeUtf8, escapeForTerminal } from "../../src/base/text.ts";

test("splitRelativePath() drops dots and refuses what leads out", () => {
  expect(splitRelativePath("./a//b/./c/")).toEqual(["a", "b", "c"]);
  for (const path of ["/a", "a/../b", "..", "a\0b", `a/${"n".repeat(256)}`, "d/".repeat(300)]) {
    expect(splitRelativePath(path)).toBeUndefined();
  }
});

test("escapeForTerminal() lets no control character or direction mark through", () => {
  expect(escapeForTerminal("a\u001b[31mb\u202ec\nd")).toBe("a\\u{1b}[31mb\\u{202e}c\\u{a}d");
  expect(escapeForTerminal("a\nb\tc\rd", true)).toBe("a\nb\tc\\u{d}d");
});

test("compareBytes() orders as UTF-8 bytes, not as UTF-16 units", () => {
  expect(compareBytes("\u{1f600}", "\uffee")).toBeGreaterThan(0);
  expect(compareBytes("a", "b")).toBeLessThan(0);
});

test("decodeUtf8() answers undefined for what is not UTF-8", () => {
  expect(decodeUtf8(Buffer.from([0xc3, 0x28]))).toBeUndefined();
  expect(decodeUtf8(Buffer.from("ä"))).toBe("ä");
});

describe("errors", () => {
  test("fileError() names the path and gives a full disk its own code", () => {
    const full = fileError(Object.assign(new Error("x"), { code: "ENOSPC" }), "write", "/a");
    expect(full.code).toBe("NO_SPACE");
    expect(full.message).toContain("/a");
    expect(full.hint).toBeDefined();
    expect(fileError(Object.assign(new Error("x"), { code: "EACCES" }), "read", "/a").code).toBe("NOT_PERMITTED");
    const own = new DowelError("USAGE", "x");
    expect(fileError(own, "read", "/a")).toBe(own);
  });

  test("fileError() says in plain words what is wrong, and the path once", () => {
    const missing = Object.assign(new Error("ENOENT: no such file or directory, open '/a'"), { code: "ENOENT" });
    expect(fileError(missing, "read", "/a").message).toBe("Cannot read /a: there is no such file or folder");
    const unknown = Object.assign(new Error("EDOM: x"), { code: "EDOM" });
    expect(fileError(unknown, "read", "/a").message).toBe("Cannot read /a: EDOM: x");
  });

  test("errnoOf() knows only errno names", () => {
    expect(errnoOf({ code: "ENOENT" })).toBe("ENOENT");
    expect(errnoOf(new DowelError("IO", "x"))).toBeUndefined();
  });

  test("checkCancelled() throws ABORTED after the signal", () => {
    checkCancelled(undefined);
    const controller = new AbortController();
    checkCancelled(controller.signal);
    controller.abort();
    expect(() => checkCancelled(controller.signal)).toThrow("cancelled");
  });
});

test("Decoder names the document, the key and what was expected", () => {
  const decoder = new Decoder("OCI_MANIFEST_INVALID", "manifest of x");
  expect(() => decoder.string(1, "layers[0].digest")).toThrow("manifest of x: layers[0].digest must be a string");
  expect(() => decoder.size(-1, "size")).toThrow("whole number");
  expect(() => decoder.size(2 ** 53, "size")).toThrow("whole number");
  try {
    decoder.parse("{");
  } catch (error) {
    expect(isDowelError(error, "OCI_MANIFEST_INVALID")).toBe(true);
  }
  expect([...decoder.stringMap({ a: "b" }, "x")]).toEqual([["a", "b"]]);
});

test("architectures translate both ways", () => {
  for (const arch of ["x86_64", "aarch64", "i386", "riscv64"]) expect(fromOciArch(toOciArch(arch))).toBe(arch);
});
