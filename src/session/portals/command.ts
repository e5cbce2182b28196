// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { limits } from "../../base/limits.ts";
import type { EventLoop } from "../../loop/loop.ts";

/**
 * Runs a program of the maker's, whose standard input is one JSON object: nothing that an app says becomes a word of a
 * command. Resolves to what it printed; throws where it fails, says too much, takes too long, or the signal fires.
 */
export async function runBackend(
  loop: EventLoop,
  [program = "", ...words]: readonly string[],
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = {
    signal,
    timeout: limits.portalBackendMilliseconds,
    killSignal: "SIGKILL",
    maxBuffer: limits.portalBackendBytes,
  } as const;
  const child = execFile(program, words, options, (error, stdout) =>
    error === null ? resolve(stdout) : reject(error),
  );
  // A program that does not read its input is as good as one that does.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(`${JSON.stringify(input)}\n`);
  return await loop.during(promise);
}
