// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { decodeKept, decodeStatus } from "../../../src/session/service/answer.ts";
import type { SessionStatus } from "../../../src/session/service/status.ts";

const traffic = { connections: 1, messages: 2, bytes: 3, denied: 4 };
const denial = { bus: "session", name: "org.a.B", call: "org.a.B.C", path: "/", error: "", count: 5 } as const;
const instance = { instance: "1", app: "org.test.App", words: ["org.test.App"], buses: { pulse: traffic } };
const status: SessionStatus = { pid: 7, instances: [{ ...instance, denials: [denial] }] };

describe("decodeStatus()", () => {
  test("reads what a service says", () => {
    expect(decodeStatus("/socket", JSON.stringify(status))).toEqual(status);
    const without = { ...status, instances: [{ ...instance, words: undefined, denials: [] }] };
    expect(decodeStatus("/socket", JSON.stringify(without))).toEqual(without);
  });

  const wrong: readonly (readonly [string, unknown])[] = [
    ["no instances", { pid: 7 }],
    ["instances that are no array", { pid: 7, instances: 7 }],
    ["a process that is no number", { ...status, pid: "x" }],
    ["an instance without buses", { pid: 7, instances: [{ instance: "1", app: "a", denials: [] }] }],
    ["a bus that nobody knows", { pid: 7, instances: [{ ...instance, buses: { __proto__x: traffic }, denials: [] }] }],
    ["traffic that is no number", { pid: 7, instances: [{ ...instance, buses: { session: {} }, denials: [] }] }],
    ["a denial without a name", { pid: 7, instances: [{ ...instance, denials: [{ ...denial, name: 1 }] }] }],
  ];
  for (const [what, value] of wrong) {
    test(`refuses ${what}`, () => {
      const read = (): SessionStatus => decodeStatus("/socket", JSON.stringify(value));
      expect(read).toThrow(expect.objectContaining({ code: "SESSION_PROTOCOL" }));
    });
  }

  test("refuses what is no JSON", () => {
    expect(() => decodeStatus("/socket", "")).toThrow(expect.objectContaining({ code: "SESSION_PROTOCOL" }));
    expect(() => decodeStatus("/socket", "{")).toThrow(expect.objectContaining({ code: "SESSION_PROTOCOL" }));
  });
});

test("decodeKept() reads instances, and refuses what is none", () => {
  expect(decodeKept("/socket", '[{"app":"a","instance":"1"}]')).toEqual([{ app: "a", instance: "1" }]);
  expect(() => decodeKept("/socket", "{}")).toThrow(expect.objectContaining({ code: "SESSION_PROTOCOL" }));
});
