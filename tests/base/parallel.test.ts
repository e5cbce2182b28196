// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { mapAtMost } from "../../src/base/parallel.ts";

describe("mapAtMost()", () => {
  test("answers in the order of the items, whatever ends first, and runs no more than it may", async () => {
    const ends = [3, 1, 0, 2].map(() => Promise.withResolvers<void>());
    const begun: number[] = [];
    let running = 0;
    let peak = 0;
    const results = mapAtMost([0, 1, 2, 3], 2, async (item) => {
      begun.push(item);
      running += 1;
      peak = Math.max(peak, running);
      await ends[item]?.promise;
      running -= 1;
      return `r${item}`;
    });
    expect(begun).toEqual([0, 1]);
    for (const item of [1, 0, 3, 2]) {
      ends[item]?.resolve();
      await Promise.resolve();
    }
    expect(await results).toEqual(["r0", "r1", "r2", "r3"]);
    expect(peak).toBe(2);
  });

  test("begins nothing after a failure, and throws the first when all that runs has ended", async () => {
    const slow = Promise.withResolvers<void>();
    const begun: number[] = [];
    let over = false;
    const results = mapAtMost([0, 1, 2, 3], 2, async (item) => {
      begun.push(item);
      if (item === 0) throw new Error("first");
      await slow.promise;
      over = true;
      throw new Error("second");
    });
    const failed = results.then(
      () => "none",
      (error: Error) => `${error.message} ${over}`,
    );
    await Promise.resolve();
    slow.resolve();
    expect(await failed).toBe("first true");
    expect(begun).toEqual([0, 1]);
    expect(await mapAtMost([], 4, async () => 1)).toEqual([]);
  });
});
