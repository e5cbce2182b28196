// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { DowelEvent } from "../../../../src/base/events.ts";
import { UpdateProgress } from "../../../../src/session/portals/updates/progress.ts";

const ref = "app/org.example.App/x86_64/stable";
const plan = (count: number): DowelEvent => ({
  type: "transaction.plan",
  operations: Array.from({ length: count }, () => ({ operation: "update", ref, origin: "apps" }) as const),
});

function plain(map: ReturnType<UpdateProgress["take"]>): Record<string, unknown> | undefined {
  return map && Object.fromEntries([...map].map(([key, { value }]) => [key, value]));
}

describe("UpdateProgress", () => {
  test("counts operations and percent, and tells each state once", () => {
    const progress = new UpdateProgress(ref);
    const fetched = (done: number): DowelEvent => ({ type: "fetch.progress", name: "x", done, size: 200 });
    expect(plain(progress.take(fetched(10)))).toBeUndefined();
    expect(plain(progress.take(plan(2)))).toEqual({ n_ops: 2, op: 0, progress: 5, status: 0 });
    expect(plain(progress.take(fetched(50)))).toEqual({ n_ops: 2, op: 0, progress: 25, status: 0 });
    expect(progress.take(fetched(51))).toBeUndefined();
    // A second blob begins anew; what is told never goes back.
    expect(progress.take(fetched(1))).toBeUndefined();
    expect(plain(progress.take({ type: "operation.done", operation: "update", ref }))).toMatchObject({ op: 1 });
    expect(plain(progress.end(undefined))).toEqual({ n_ops: 2, op: 1, progress: 100, status: 2 });
  });

  test("ends as empty without operations, and as failed with what failed", () => {
    const progress = new UpdateProgress(ref);
    progress.take(plan(0));
    expect(plain(progress.end(undefined))).toMatchObject({ n_ops: 0, status: 1 });
    expect(plain(progress.end({ name: "a.b", message: "no" }))).toMatchObject({ status: 3, error_message: "no" });
  });

  test("knows only of its own app that it was held back", () => {
    const progress = new UpdateProgress(ref);
    const skip = (of: string): DowelEvent => ({
      ...({ type: "operation.skip", operation: "update", reason: "x" } as const),
      ref: of,
      newPermissions: ["--share=network"],
    });
    progress.take(skip("app/org.example.Other/x86_64/stable"));
    expect(progress.held).toBeUndefined();
    progress.take(skip(ref));
    expect(progress.held).toEqual(["--share=network"]);
  });
});
