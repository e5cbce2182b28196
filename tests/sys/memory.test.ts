// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { forgetCompiled, releaseFilePages, releaseGarbage } from "../../src/sys/memory.ts";

function filePagesKib(): number {
  return Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);
}

test("releaseFilePages() gives back most of the program's pages, and the program goes on", async () => {
  const sum = (): number => [1, 2, 3].map((value) => value * 2).reduce((total, value) => total + value, 0);
  expect(sum()).toBe(12);
  forgetCompiled();
  await setImmediate();
  releaseGarbage();
  const before = filePagesKib();
  releaseFilePages();
  expect(filePagesKib()).toBeLessThan(before);
  expect(sum()).toBe(12);
});
