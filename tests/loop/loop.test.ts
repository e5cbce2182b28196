// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setImmediate, setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { EventLoop } from "../../src/loop/loop.ts";
import { Epoll, findEngineEpoll } from "../../src/sys/epoll.ts";

test("findEngineEpoll() finds the engine's own, and none of ours", () => {
  const found = findEngineEpoll();
  expect(found).toBeNumber();
  using _other = new Epoll();
  expect(findEngineEpoll()).toBe(found);
});

test("EventLoop.runUntil() lets the engine settle whatever a promise waits for", async () => {
  using loop = new EventLoop();
  const work = async (): Promise<string> => {
    for (let step = 0; step < 50; step++) await Promise.resolve();
    for (let step = 0; step < 20; step++) await setImmediate();
    for (let step = 0; step < 100; step++) await readFile("/proc/self/stat");
    const { stdout } = await promisify(execFile)("echo", ["done"]);
    await setTimeout(10);
    return stdout;
  };
  expect(await loop.runUntil(work())).toBe("done\n");
});

test("EventLoop.runUntil() goes on where one loop waits for another", async () => {
  using outer = new EventLoop();
  using inner = new EventLoop();
  const told: string[] = [];
  using _timer = outer.after(30, () => told.push("outer"));
  const work = async (): Promise<void> => {
    await inner.runUntil(
      (async () => {
        while (told.length === 0) await readFile("/proc/self/stat");
      })(),
    );
    told.push("inner");
  };
  await outer.runUntil(work());
  expect(told).toEqual(["outer", "inner"]);
});

test("EventLoop.runUntil() sleeps while the engine only waits", async () => {
  using loop = new EventLoop();
  await loop.runUntil(setTimeout(1));
  const before = process.resourceUsage().voluntaryContextSwitches;
  // What is tested is waiting itself: in this time a look every 2 ms would be a thousand.
  await loop.runUntil(setTimeout(2000));
  expect(process.resourceUsage().voluntaryContextSwitches - before).toBeLessThan(500);
});
