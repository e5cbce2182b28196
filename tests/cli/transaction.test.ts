// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { Context } from "../../src/cli/context.ts";
import { chooser } from "../../src/cli/transaction.ts";

describe("chooser()", () => {
  const context = (canAsk: boolean): Context => ({ terminal: { canAsk } }) as Context;

  test("is not there without a person, nor for --json", () => {
    expect(chooser(context(false), {})).toBeUndefined();
    expect(chooser(context(false), { assumeyes: true })).toBeUndefined();
    expect(chooser(context(true), { json: true })).toBeUndefined();
  });

  test("agrees to the only thing for -y and --noninteractive, and never chooses between several for the latter", () => {
    for (const flags of [{ assumeyes: true }, { noninteractive: true }]) {
      expect(chooser(context(true), flags)?.("Which?", ["one"])).toBe(0);
    }
    expect(chooser(context(true), { noninteractive: true })?.("Which?", ["one", "two"])).toBe("unasked");
  });
});
