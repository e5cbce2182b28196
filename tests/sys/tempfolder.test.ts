// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeTempFolder } from "../../src/sys/tempfolder.ts";

test("makeTempFolder() makes a new folder each time, and has words for what hinders it", () => {
  const parent = mkdtempSync(join(tmpdir(), "dowel-tempfolder-"));
  try {
    const made = [makeTempFolder(join(parent, "a-")), makeTempFolder(join(parent, "a-"))];
    expect(new Set(made).size).toBe(2);
    for (const path of made) expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(() => makeTempFolder(join(parent, "none/a-"))).toThrow(
      expect.objectContaining({ name: "DowelError", code: "IO", message: expect.stringContaining("none/a-") }),
    );
  } finally {
    rmSync(parent, { recursive: true });
  }
});
