// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateData } from "../../../src/engine/run/previous.ts";

const home = mkdtempSync(join(tmpdir(), "dowel-previous-"));
const apps = join(home, ".var/app");

beforeEach(() => {
  rmSync(join(home, ".var"), { recursive: true, force: true });
  mkdirSync(apps, { recursive: true });
});
afterAll(() => rmSync(home, { recursive: true }));

function keep(id: string): void {
  mkdirSync(join(apps, id));
  writeFileSync(join(apps, id, "letter"), id);
}

test("migrateData() takes the data of the newest earlier id and leaves a link", () => {
  keep("org.a.Old");
  keep("org.a.Older");
  migrateData(home, "org.a.New", ["org.a.Older", "org.a.Old", "org.a.Never"]);
  expect(readFileSync(join(apps, "org.a.New/letter"), "utf8")).toBe("org.a.Old");
  expect(readlinkSync(join(apps, "org.a.Old"))).toBe("org.a.New");
  expect(readdirSync(apps).sort()).toEqual(["org.a.New", "org.a.Old", "org.a.Older"]);
});

test("migrateData() leaves data of the app's own, and links of others, alone", () => {
  keep("org.a.New");
  keep("org.a.Old");
  migrateData(home, "org.a.New", ["org.a.Old"]);
  expect(readFileSync(join(apps, "org.a.New/letter"), "utf8")).toBe("org.a.New");
  rmSync(join(apps, "org.a.New"), { recursive: true });
  rmSync(join(apps, "org.a.Old"), { recursive: true });
  symlinkSync(tmpdir(), join(apps, "org.a.Old"));
  migrateData(home, "org.a.New", ["org.a.Old"]);
  expect(existsSync(join(apps, "org.a.New"))).toBe(false);
});

test("migrateData() does nothing where there are no data at all", () => {
  rmSync(join(home, ".var"), { recursive: true });
  migrateData(home, "org.a.New", ["org.a.Old"]);
  expect(existsSync(join(home, ".var"))).toBe(false);
});
