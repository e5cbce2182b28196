// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import {
  afterFiring,
  formatTimers,
  inReach,
  isDue,
  nextWake,
  parseTimers,
  type Timer,
} from "../../../src/session/timers/plan.ts";

const minute = 60_000;
const once: Timer = { name: "once", due: 1_000_000, interval: undefined, accuracy: 5000, data: "tea" };
const often: Timer = { ...once, name: "often", due: 2_000_000, interval: 10 * minute };

test("nextWake() is the latest moment that is early enough for all", () => {
  expect(nextWake([])).toBeUndefined();
  expect(nextWake([once, often])).toBe(1_005_000);
  expect(nextWake([{ ...once, accuracy: 3_600_000 }, often])).toBe(2_005_000);
});

test("isDue() and afterFiring() follow the clock, forward by any step", () => {
  expect([999_999, 1_000_000].map((now) => isDue(once, now))).toEqual([false, true]);
  expect(afterFiring(once, 1_000_000)).toBeUndefined();
  expect(afterFiring(often, 2_000_000)?.due).toBe(2_000_000 + 10 * minute);
  // What was missed comes once; the rest stays in step.
  expect(afterFiring(often, 2_000_000 + 25 * minute)?.due).toBe(2_000_000 + 30 * minute);
  expect(afterFiring(often, 2_000_000 + 30 * minute)?.due).toBe(2_000_000 + 40 * minute);
});

test("inReach() brings a timer that returns near again when the clock was set back; others wait for their time", () => {
  expect(inReach(often, 2_000_000 - 10 * minute)).toBe(often);
  expect(inReach(often, 5000).due).toBe(5000 + 10 * minute);
  expect(inReach(once, 0)).toBe(once);
});

describe("parseTimers()", () => {
  test("reads what formatTimers() writes", () => {
    const all = [once, often, { ...once, name: "a.b-c_9", data: '\u0000"ü' }];
    expect(parseTimers(formatTimers(all), "file")).toEqual(all);
  });

  const text = (change: Record<string, unknown>): string => JSON.stringify({ timers: [{ ...often, ...change }] });
  test.each([
    ["", "not valid JSON"],
    ["[]", "the document must be an object"],
    ['{"timers": {}}', "timers must be an array"],
    ['{"timers": [7]}', "timers.0 must be an object"],
    [text({ name: "a/b" }), "timers.0.name must be 1 to 64 letters"],
    [text({ name: "" }), "timers.0.name"],
    [text({ due: -1 }), "timers.0.due must be a whole number"],
    [text({ due: 9e15 }), "timers.0.due must be at most"],
    [text({ interval: 1000 }), "timers.0.interval must be at least 60000"],
    [text({ accuracy: 1e9 }), "timers.0.accuracy must be at most"],
    [text({ data: 7 }), "timers.0.data must be a string"],
    [text({ data: "x".repeat(1025) }), "timers.0.data must be at most 1024 bytes"],
    [JSON.stringify({ timers: [once, once] }), "timers must be a list of different names"],
    [JSON.stringify({ timers: Array.from({ length: 65 }, (_, at) => ({ ...once, name: `t${at}` })) }), "at most 64"],
  ])("refuses %p", (damaged, reason) => {
    expect(() => parseTimers(damaged, "file")).toThrow(reason);
  });
});
