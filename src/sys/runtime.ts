// SPDX-License-Identifier: Apache-2.0

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  return Bun.stringWidth(text);
}

/** Blocks this thread. */
export function sleepSync(milliseconds: number): void {
  Bun.sleepSync(milliseconds);
}

/** Frees what nothing refers to any more, where much of that has gathered and more memory is needed soon. About 20 ms. */
export function releaseMemory(): void {
  Bun.gc(true);
}

/**
 * Says how many times more often than usual a function must run before the engine compiles it; 1 is usual. What runs once,
 * at the start of a long-running process, is not worth the memory.
 */
export function setCompileReluctance(factor: number): void {
  Bun.unsafe.setJITPolicy(factor);
}
