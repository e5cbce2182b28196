// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { checkCancelled, DowelError } from "../base/errors.ts";
import { createSealedFile } from "../sys/process.ts";
import { launcherPath } from "./launcher.ts";

const reportLimit = 64 * 1024;

export interface SpawnOptions {
  readonly stdin?: "inherit" | "ignore";
  /** Takes what the command writes, both streams in the order of their coming; without it they are the caller's own. */
  readonly output?: (chunk: Uint8Array) => void;
  /** Ends the sandbox with SIGTERM, and after five seconds with SIGKILL. */
  readonly signal?: AbortSignal | undefined;
  /** Caller's environment for plans that do not start from nothing. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly launcher?: string;
}

export interface ExitStatus {
  /** The command's exit status; 128 and the signal's number where a signal ended it. */
  readonly code: number;
}

function start(bytes: Uint8Array, words: readonly string[], options: SpawnOptions): ChildProcess {
  const plan = createSealedFile("plan", bytes);
  const output = options.output === undefined ? "inherit" : "pipe";
  try {
    return spawn(options.launcher ?? launcherPath(), ["--report=4", "3", ...words], {
      argv0: "dowel-launch",
      stdio: [options.stdin ?? "ignore", output, output, plan, "pipe"],
      env: { ...(options.environment ?? process.env) },
    });
  } finally {
    closeSync(plan);
  }
}

/** The error that the launcher reports as one line of JSON; undefined where the command was started. */
function reportedError(text: string): DowelError | undefined {
  if (text === "") return undefined;
  let report: { message?: unknown; hint?: unknown };
  try {
    report = JSON.parse(text) as typeof report;
  } catch {
    report = {};
  }
  const message = typeof report.message === "string" ? report.message : "The launcher reports a failure it cannot name";
  return new DowelError("SANDBOX_FAILED", message, typeof report.hint === "string" ? { hint: report.hint } : {});
}

/** Sends SIGTERM when cancelled, and SIGKILL where that does not help. */
function endOnAbort(child: ChildProcess, signal: AbortSignal | undefined): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const end = () => {
    child.kill("SIGTERM");
    timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  };
  signal?.addEventListener("abort", end, { once: true });
  return {
    [Symbol.dispose]: () => {
      signal?.removeEventListener("abort", end);
      clearTimeout(timer);
    },
  };
}

/**
 * Runs an encoded plan and waits for its command. `words` are appended to the plan's command. Throws `SANDBOX_FAILED`
 * where the sandbox could not be set up, and `ABORTED`.
 */
export async function spawnPlan(
  bytes: Uint8Array,
  words: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<ExitStatus> {
  checkCancelled(options.signal);
  const child = start(bytes, words, options);
  using _ending = endOnAbort(child, options.signal);
  let report = "";
  (child.stdio[4] as Readable | null)?.on("data", (chunk: Buffer) => {
    if (report.length < reportLimit) report += chunk.toString("utf8");
  });
  if (options.output !== undefined) {
    child.stdout?.on("data", options.output);
    child.stderr?.on("data", options.output);
  }
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, name) => resolve(status ?? 128 + (name === null ? 0 : constants.signals[name])));
  }).catch((cause: unknown) => {
    throw new DowelError("SANDBOX_FAILED", `Cannot start the launcher ${options.launcher ?? launcherPath()}`, {
      cause,
    });
  });
  checkCancelled(options.signal);
  const error = reportedError(report);
  if (error !== undefined) throw error;
  return { code };
}
