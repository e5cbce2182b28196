// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnPlan } from "../../src/instances/spawn.ts";
import { encodePlan } from "../../src/sandbox/plan/index.ts";
import { buildLauncher, launcher, Workspace } from "../launcher/support.ts";

let workspace: Workspace;

beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
});
afterAll(() => workspace[Symbol.dispose]());

const bytes = (command: readonly string[] = ["/bin/probe"]) => encodePlan(workspace.plan({ command }));

describe("spawnPlan()", () => {
  test("spawnPlan() answers the command's exit status and passes on what it writes", async () => {
    let text = "";
    const output = (chunk: Uint8Array) => {
      text += Buffer.from(chunk).toString("utf8");
    };
    expect(await spawnPlan(bytes(), ["id"], { launcher, output })).toEqual({ code: 0 });
    expect(JSON.parse(text)).toMatchObject({ pid: 2 });
    expect(await spawnPlan(bytes(), ["exit", "42"], { launcher, output })).toEqual({ code: 42 });
    expect(await spawnPlan(bytes(), ["signal", "6"], { launcher, output })).toEqual({ code: 134 });
  });

  test("spawnPlan() throws what the launcher reports", async () => {
    await expect(spawnPlan(bytes(["/bin/missing"]), [], { launcher })).rejects.toMatchObject({
      code: "SANDBOX_FAILED",
      message: expect.stringContaining("/bin/missing"),
      hint: expect.any(String),
    });
    await expect(spawnPlan(new Uint8Array([1, 2, 3]), [], { launcher })).rejects.toMatchObject({
      code: "SANDBOX_FAILED",
    });
  });

  test("spawnPlan() names a launcher that is missing", async () => {
    await expect(spawnPlan(bytes(), [], { launcher: "/missing/dowel" })).rejects.toMatchObject({
      code: "SANDBOX_FAILED",
      message: expect.stringContaining("/missing/dowel"),
    });
  });

  test("spawnPlan() ends the sandbox when cancelled", async () => {
    const controller = new AbortController();
    const output = () => controller.abort();
    await expect(spawnPlan(bytes(), ["wait"], { launcher, output, signal: controller.signal })).rejects.toMatchObject({
      code: "ABORTED",
    });
    await expect(spawnPlan(bytes(), ["id"], { launcher, signal: controller.signal })).rejects.toMatchObject({
      code: "ABORTED",
    });
  });
});
