// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readContent } from "../../../src/builder/tree/read.ts";

const gibibyte = 1024 ** 3;

test("readContent() reads what is asked for of an archive that does not fit into memory", () => {
  const folder = mkdtempSync(join(tmpdir(), "dowel-read-"));
  try {
    const path = join(folder, "archive");
    const file = openSync(path, "w");
    ftruncateSync(file, 64 * gibibyte);
    writeSync(file, "content", 40 * gibibyte);
    closeSync(file);
    const bytes = readContent({ kind: "range", path, offset: 40 * gibibyte, size: 7 });
    expect(Buffer.from(bytes).toString()).toBe("content");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
