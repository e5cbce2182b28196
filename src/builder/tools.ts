// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { checkCancelled, DowelError, errnoOf } from "../base/errors.ts";

export interface ToolOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  /** What failed, for the message: `Cannot unpack x.tar`. */
  readonly doing: string;
  readonly code: "SOURCE_FETCH" | "SOURCE_INVALID" | "RECIPE_FAILED";
  /** Takes what the program writes to its standard error, while it works. */
  readonly output?: (text: string) => void;
}

const kept = 64 * 1024;

/**
 * Runs a program of the host to its end, with nothing on its standard input, and gives its standard output. When
 * cancelled it asks the program and all it started to end, and waits for it. Throws `ABORTED`, `TOOL_MISSING` where it
 * is not installed, else the given code with the end of what it printed.
 */
export async function runTool(program: string, args: readonly string[], options: ToolOptions): Promise<string> {
  checkCancelled(options.signal);
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    // a process group of its own, so that all of it can be ended
    detached: true,
  });
  const output: Buffer[] = [];
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    const text = chunk.toString();
    errors = (errors + text).slice(-kept);
    options.output?.(text);
  });
  const ending = await waitFor(child, program, options);
  checkCancelled(options.signal);
  const text = Buffer.concat(output).toString();
  if (ending === undefined) return text;
  const reason = lastLines(errors.trim() === "" ? text : errors, 20);
  throw new DowelError(options.code, `${options.doing}: ${program} ${ending}${reason === "" ? "" : `\n${reason}`}`);
}

/** How a program failed; undefined where it did not. */
async function waitFor(child: ChildProcess, program: string, options: ToolOptions): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const end = (): void => endGroup(child.pid);
  options.signal?.addEventListener("abort", end, { once: true });
  child.once("error", (error) => reject(startError(program, error, options)));
  child.once("close", (code, signal) => {
    if (code === 0) resolve(undefined);
    else resolve(code === null ? `was ended by ${signal}` : `failed with exit code ${code}`);
  });
  try {
    return await promise;
  } finally {
    options.signal?.removeEventListener("abort", end);
  }
}

function endGroup(group: number | undefined): void {
  if (group === undefined) return;
  try {
    process.kill(-group, "SIGTERM");
  } catch (error) {
    // it has just ended by itself
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}

function startError(program: string, error: Error, options: ToolOptions): DowelError {
  if (errnoOf(error) === "ENOENT") {
    return new DowelError("TOOL_MISSING", `${options.doing}: the program ${program} is not installed`, {
      hint: `Install ${program} and run the same command again.`,
      cause: error,
    });
  }
  return new DowelError(options.code, `${options.doing}: cannot start ${program}: ${error.message}`, { cause: error });
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}
