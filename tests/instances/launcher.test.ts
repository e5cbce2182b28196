// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { programPath } from "../../src/instances/launcher.ts";

test("programPath() names what lies there now when a program was replaced while it runs", () => {
  expect(programPath("/usr/lib/dowel/dowel-program (deleted)")).toBe("/usr/lib/dowel/dowel-program");
  expect(programPath("/usr/lib/dowel/dowel-program")).toBe("/usr/lib/dowel/dowel-program");
});
