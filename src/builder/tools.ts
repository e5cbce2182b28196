// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { DowelError, errnoOf } from "../base/errors.ts";

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
 * Runs a program of the host to its end, with nothing on its standard input, and gives its standard output. Throws
 * `TOOL_MISSING` where it is not installed, else the given code with the end of what it printed.
 */
export function runTool(program: string, args: readonly string[], options: ToolOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const output: Buffer[] = [];
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    const text = chunk.toString();
    errors = (errors + text).slice(-kept);
    options.output?.(text);
  });
  child.on("error", (error) => reject(startError(program, error, options)));
  child.on("close", (code, signal) => {
    const text = Buffer.concat(output).toString();
    if (code === 0) return resolve(text);
    const reason = lastLines(errors.trim() === "" ? text : errors, 20);
    const ending = code === null ? `${program} was ended by ${signal}` : `${program} failed with exit code ${code}`;
    return reject(new DowelError(options.code, `${options.doing}: ${ending}${reason === "" ? "" : `\n${reason}`}`));
  });
  return promise;
}

function startError(program: string, error: Error, options: ToolOptions): DowelError {
  if (options.signal?.aborted === true) {
    return new DowelError("ABORTED", "The operation was cancelled", { cause: error });
  }
  if (errnoOf(error) === "ENOENT") {
    return new DowelError("TOOL_MISSING", `${options.doing}: the program ${program} is not installed`, {
      hint: `Install ${program} and run the same command again.`,
      cause: error,
    });
  }
  return new DowelError(options.code, `${options.doing}: cannot start ${program}: ${error.message}`, { cause: error });
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}
