// SPDX-License-Identifier: Apache-2.0
import { errnoOf } from "../../src/base/errors.ts";

/** Signals a process that may end by itself meanwhile. */
export function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}
