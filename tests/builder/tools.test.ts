// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { runTool } from "../../src/builder/tools.ts";
import { rejectionOf, TestFolder } from "./support.ts";

const options = { doing: "Cannot try", code: "SOURCE_INVALID" } as const;

describe("runTool()", () => {
  test("gives what the program prints", async () => {
    expect(await runTool("sh", ["-c", "echo out; echo err >&2"], options)).toBe("out\n");
  });

  test("fails with the exit code and the end of the output", async () => {
    const error = await rejectionOf(runTool("sh", ["-c", "echo out; echo why >&2; exit 3"], options));
    expect([error.code, error.message]).toEqual(["SOURCE_INVALID", "Cannot try: sh failed with exit code 3\nwhy"]);
  });

  test("says that a program is not installed", async () => {
    const error = await rejectionOf(runTool("dowel-no-such-tool", [], options));
    expect([error.code, error.message]).toEqual([
      "TOOL_MISSING",
      "Cannot try: the program dowel-no-such-tool is not installed",
    ]);
  });

  test("ends the program and what it started when cancelled", async () => {
    using folder = new TestFolder();
    const controller = new AbortController();
    const pids = folder.join("pids");
    const script = `sleep 600 & echo $! > ${pids}; echo started >&2; wait`;
    const output = (): void => controller.abort();
    const error = await rejectionOf(runTool("sh", ["-c", script], { ...options, signal: controller.signal, output }));
    expect(error.code).toBe("ABORTED");
    // a process that has ended has no command line, even before its parent has looked
    const words = `/proc/${readFileSync(pids, "utf8").trim()}/cmdline`;
    expect(existsSync(words) ? readFileSync(words, "utf8") : "").toBe("");
  });
});
