// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { ContentIndex } from "../../../src/store/objects/contents.ts";
import { TestFolder } from "../images.ts";

test("ContentIndex.open() makes no database where a link leads", () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const elsewhere = join(folder.path, "elsewhere");
  symlinkSync(elsewhere, join(installation.path, "index.sqlite"));
  using index = ContentIndex.open(installation);
  expect(index).toBeUndefined();
  expect(existsSync(elsewhere)).toBe(false);
});
