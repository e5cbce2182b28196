// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { connectUnix } from "../../src/sys/sockets.ts";
import { until } from "./until.ts";

/** Waits until a program takes connections at a socket: the file is there a moment before it listens. */
export async function untilListening(program: string, path: string): Promise<void> {
  await until(program, () => {
    try {
      closeSync(connectUnix({ path }));
      return true;
    } catch {
      return false;
    }
  });
}
