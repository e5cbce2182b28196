// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventLoop } from "../../../src/loop/loop.ts";
import { callingApp } from "../../../src/session/portals/app.ts";
import { watchStart } from "../../../src/session/portals/started.ts";
import { duplicateDescriptor } from "../../../src/sys/transfer.ts";

const app = callingApp("/nonexistent", "org.example.App", "7");

test.each([
  ["7\n", ["started 5 0", "ended 0"]],
  ["", ["ended 0"]],
  ["../8\n", ["ended 0"]],
])(
  "watchStart() tells of a start before the end, however soon that comes, and only of an instance (%#)",
  async (text, expected) => {
    using loop = new EventLoop();
    const events: string[] = [];
    const { ended } = watchStart(
      loop,
      app,
      true,
      (fd) => {
        writeSync(fd, text);
        // Nobody may keep the end open for longer than the process lasts.
        duplicateDescriptor(fd, 3);
        return { pid: 5, ended: Promise.resolve(0) };
      },
      (pid, relative) => events.push(`started ${pid} ${relative}`),
    );
    events.push(`ended ${await ended}`);
    expect(events).toEqual(expected);
  },
);

test("watchStart() waits for the sandbox's first process where the caller sees it", async () => {
  using loop = new EventLoop();
  using pit = new DisposableStack();
  const folder = pit.adopt(mkdtempSync(join(tmpdir(), "dowel-started-")), (path) => rmSync(path, { recursive: true }));
  for (const number of ["7", "8"]) mkdirSync(join(folder, number));
  const describe = (number: string): void =>
    writeFileSync(join(folder, number, "bwrapinfo.json"), JSON.stringify({ "child-pid": process.pid }));
  describe("7");
  const { promise, resolve } = Promise.withResolvers<readonly number[]>();
  const start = (fd: number) => {
    writeSync(fd, "8\n");
    return { pid: 5, ended: new Promise<number>(() => undefined) };
  };
  watchStart(loop, callingApp(folder, "org.example.App", "7"), true, start, (...told) => resolve(told));
  loop.after(10, () => describe("8"));
  const [pid, relative = 0] = await loop.runUntil(promise);
  expect(pid).toBe(5);
  expect(relative).toBeGreaterThan(0);
});
