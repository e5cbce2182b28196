// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { placeForAdding, placesToRead } from "../../src/engine/places.ts";
import { TestFolder } from "../store/images.ts";

/** Runs some lines as the user `nobody`, with the two installations in a folder of the test. */
function asNobody(folder: TestFolder, lines: string): string {
  chmodSync(folder.path, 0o755);
  mkdirSync(join(folder.path, "user"), { mode: 0o777 });
  chmodSync(join(folder.path, "user"), 0o777);
  mkdirSync(join(folder.path, "system"), { mode: 0o755 });
  const script = `import { placeForAdding } from ${JSON.stringify(resolve("src/engine/places.ts"))};
    const attempt = (choice) => { try { return placeForAdding(choice).name } catch (error) { return error.code + " " + error.hint } };
    ${lines}`;
  return execFileSync(process.execPath, ["-e", script], {
    encoding: "utf8",
    uid: 65534,
    gid: 65534,
    env: {
      HOME: folder.path,
      DOWEL_USER_DIR: join(folder.path, "user/dowel"),
      DOWEL_SYSTEM_DIR: join(folder.path, "system/dowel"),
    },
  }).trim();
}

test("placesToRead() gives the user's own first, then the system's, unless some are named", () => {
  expect(
    placesToRead({})
      .map(({ name }) => name)
      .slice(0, 2),
  ).toEqual(["user", "default"]);
  expect(placesToRead({ system: true }).map(({ name }) => name)).toEqual(["default"]);
  expect(() => placesToRead({ names: ["nowhere"] })).toThrow(expect.objectContaining({ code: "USAGE" }));
});

test("placeForAdding() is the system's for root, and refuses more than one", () => {
  const before = process.env["DOWEL_SYSTEM_DIR"];
  process.env["DOWEL_SYSTEM_DIR"] = "/tmp/dowel-nowhere";
  try {
    expect(placeForAdding({}).name).toBe("default");
    expect(placeForAdding({ user: true }).name).toBe("user");
    expect(() => placeForAdding({ user: true, system: true })).toThrow(expect.objectContaining({ code: "USAGE" }));
  } finally {
    if (before === undefined) delete process.env["DOWEL_SYSTEM_DIR"];
    else process.env["DOWEL_SYSTEM_DIR"] = before;
  }
});

test("placeForAdding() is the user's own for others, who may not change the system's", () => {
  using folder = new TestFolder();
  const lines = "process.stdout.write(attempt({}) + '|' + attempt({ system: true }));";
  expect(asNobody(folder, lines)).toBe("user|NOT_PERMITTED Run it as root, or use --user.");
});
