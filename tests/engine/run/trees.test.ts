// SPDX-License-Identifier: Apache-2.0
import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTrees } from "../../../src/engine/run/trees.ts";

const work = mkdtempSync(join(tmpdir(), "dowel-trees-"));
afterAll(() => rmSync(work, { recursive: true }));

test("findTrees() takes folders by path, and an empty path as an empty /app", () => {
  expect(findTrees({ appPath: work, usrPath: work })).toEqual({
    app: { path: work, distrusted: false },
    usr: { path: work, distrusted: false },
    binds: [],
  });
  expect(findTrees({ appPath: "" }).app).toEqual({ path: undefined, distrusted: false });
});

test("findTrees() finds what a descriptor holds, and refuses it where the name leads elsewhere", () => {
  const path = join(work, "held");
  mkdirSync(path);
  const fd = openSync(path, "r");
  expect(findTrees({ appFd: String(fd), roBindFds: [String(fd)] })).toMatchObject({
    app: { path, distrusted: true },
    binds: [{ path, type: "directory", access: "ro" }],
  });
  rmSync(path, { recursive: true });
  expect(() => findTrees({ bindFds: [String(fd)] })).toThrow(expect.objectContaining({ code: "HOST_PATH_UNSAFE" }));
  mkdirSync(`${path} (deleted)`);
  expect(() => findTrees({ bindFds: [String(fd)] })).toThrow(expect.objectContaining({ code: "HOST_PATH_UNSAFE" }));
  closeSync(fd);
});

test("findTrees() follows a descriptor to where what it holds was moved", () => {
  const path = join(work, "file");
  writeFileSync(path, "");
  const fd = openSync(path, "r");
  renameSync(path, `${path}-moved`);
  expect(findTrees({ bindFds: [String(fd)] }).binds).toEqual([{ path: `${path}-moved`, type: "file", access: "rw" }]);
  expect(() => findTrees({ usrFd: String(fd) })).toThrow("is not a folder");
  closeSync(fd);
});

test.each([
  [{ appPath: "/does/not/exist" }],
  [{ usrPath: "" }],
  [{ appFd: "x" }],
  [{ bindFds: ["999999"] }],
  [{ appPath: work, appFd: "3" }],
])("findTrees() refuses %j", (request) => {
  expect(() => findTrees(request)).toThrow(expect.objectContaining({ code: "USAGE" }));
});
