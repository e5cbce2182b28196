// SPDX-License-Identifier: Apache-2.0

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  return Bun.stringWidth(text);
}

/** Blocks this thread. */
export function sleepSync(milliseconds: number): void {
  Bun.sleepSync(milliseconds);
}
