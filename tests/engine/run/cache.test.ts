// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepPlan, sweep } from "../../../src/engine/run/cache.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-cache-"));
  mkdirSync(join(folder, "plans"));
  mkdirSync(join(folder, "layers"));
  mkdirSync(join(folder, "ld.so"));
  mkdirSync(join(folder, "apps"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const day = 24 * 60 * 60;

/** Makes entries `0`, `1`, … of which each is an hour older than the one before. */
function fill(name: string, count: number, make: (path: string) => void): void {
  for (let index = 0; index < count; index += 1) {
    const path = join(folder, name, String(index));
    make(path);
    utimesSync(path, 1_000_000_000 - index * 3600, 1_000_000_000 - index * 3600);
  }
}

describe("keepPlan()", () => {
  test("keepPlan() replaces a plan and leaves nothing else", () => {
    keepPlan(folder, "name", new Uint8Array([1]));
    const path = keepPlan(folder, "name", new Uint8Array([2]));
    expect([...readFileSync(path)]).toEqual([2]);
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(readdirSync(join(folder, "plans"))).toEqual(["name"]);
  });

  test("keepPlan() names the path that it cannot write", () => {
    expect(() => keepPlan(join(folder, "missing"), "name", new Uint8Array())).toThrow(
      expect.objectContaining({ code: "IO", message: expect.stringContaining("missing/plans/name") }),
    );
  });
});

describe("sweep()", () => {
  test("sweep() takes the oldest plans away", () => {
    fill("plans", 203, (path) => writeFileSync(path, ""));
    sweep(folder);
    const left = new Set(readdirSync(join(folder, "plans")));
    expect(left.size).toBe(200);
    expect([left.has("0"), left.has("199"), left.has("200")]).toEqual([true, true, false]);
  });

  test("sweep() takes only layers that have not been used for two days", () => {
    fill("layers", 70, (path) => mkdirSync(path));
    sweep(folder, (1_000_000_000 - 20 * 3600) * 1000);
    expect(readdirSync(join(folder, "layers"))).toHaveLength(69);
    sweep(folder, (1_000_000_000 + 30 * day) * 1000);
    expect(readdirSync(join(folder, "layers"))).toHaveLength(64);
  });
});
