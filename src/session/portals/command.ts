// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, type ExecFileOptions, execFile, spawn } from "node:child_process";
import { limits } from "../../base/limits.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { closeDescriptors, duplicateDescriptor } from "../../sys/transfer.ts";

/** The first descriptor that a command gets besides the standard ones. */
const firstFile = 3;

/** How a command names a file that it gets: by what was checked, wherever its name leads meanwhile. */
export function passedPath(index: number): string {
  return `/proc/self/fd/${firstFile + index}`;
}

/** Starts a program that has descriptors as its own from 3 on; they stay their owner's. */
export function spawnWith(
  program: string,
  words: readonly string[],
  files: readonly number[],
  standard: readonly ["pipe" | "ignore", "pipe" | "ignore", "ignore"],
  isDetached = false,
): ChildProcess {
  // Above all targets: the new process puts one after the other in its place, and none must lie where another comes.
  const copies = files.map((fd) => duplicateDescriptor(fd, firstFile + files.length));
  try {
    return spawn(program, words, { cwd: "/", detached: isDetached, stdio: [...standard, ...copies] });
  } finally {
    closeDescriptors(copies);
  }
}

async function outputOf(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    if (chunks.reduce((sum, { length }) => sum + length, 0) > limits.portalBackendBytes) child.kill("SIGKILL");
  });
  child.once("error", reject);
  child.once("close", (code, signal) => {
    if (code === 0) resolve(Buffer.concat(chunks).toString());
    else reject(new Error(`${child.spawnfile} ended with ${code ?? signal}`));
  });
  return await promise;
}

/** Runs a program and resolves to what it printed; throws where it fails or takes too long. */
export function runProgram(program: string, words: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile(program, words, options, (error, stdout) => (error === null ? resolve(String(stdout)) : reject(error)));
  return promise;
}

/**
 * Runs a program of the maker's, whose standard input is one JSON object: nothing that an app says becomes a word of a
 * command. Resolves to what it printed; throws where it fails, says too much, takes too long, or the signal fires.
 *
 * @param files descriptors that it gets, as `passedPath` names them
 */
export async function runBackend(
  loop: EventLoop,
  [program = "", ...words]: readonly string[],
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  files: readonly number[] = [],
): Promise<string> {
  signal.throwIfAborted();
  const child = spawnWith(program, words, files, ["pipe", "pipe", "ignore"]);
  const kill = (): void => void child.kill("SIGKILL");
  using _timer = loop.after(limits.portalBackendMilliseconds, kill);
  signal.addEventListener("abort", kill);
  // A program that does not read its input is as good as one that does.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(`${JSON.stringify(input)}\n`);
  try {
    return await loop.during(outputOf(child));
  } finally {
    signal.removeEventListener("abort", kill);
  }
}
