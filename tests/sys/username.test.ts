// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { userName } from "../../src/sys/username.ts";

test("userName() goes by the table of users, else the number, and never by USER", () => {
  const folder = mkdtempSync(join(tmpdir(), "dowel-users-"));
  const file = join(folder, "passwd");
  writeFileSync(file, "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n:x:1001:1001:::\n");
  expect([0, 1000, 1001, 4242].map((uid) => userName(uid, file))).toEqual(["root", "anna", "1001", "4242"]);
  expect(userName(1000, join(folder, "missing"))).toBe("1000");
  rmSync(folder, { recursive: true });
});
