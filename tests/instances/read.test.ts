// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSmallText } from "../../src/instances/read.ts";

const folder = mkdtempSync(join(tmpdir(), "dowel-read-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("readSmallText()", () => {
  test.each([0, 1, 2047, 2048, 4095, 4096, 4097, 100_000])("reads all of %d bytes", (size) => {
    const path = join(folder, "file");
    const text = "0123456789".repeat(size / 10 + 1).slice(0, size);
    writeFileSync(path, text);
    expect(readSmallText(path)).toBe(text);
  });

  test("reads what the kernel makes, whatever its length", () => {
    expect(readSmallText("/proc/self/mounts")).toContain(" / ");
    expect(readSmallText("/proc/self/comm")).toMatch(/\n$/);
  });

  test("tells nothing of a file that is not there, and of a folder", () => {
    expect(readSmallText(join(folder, "none"))).toBeUndefined();
    expect(readSmallText(folder)).toBeUndefined();
  });
});
