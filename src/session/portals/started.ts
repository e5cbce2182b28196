// SPDX-License-Identifier: Apache-2.0
import type { EventLoop } from "../../loop/loop.ts";
import { pollFor } from "../../sys/epoll.ts";
import { socketPair } from "../../sys/sockets.ts";
import { closeDescriptors, FixedBuffer, receive, wouldBlock } from "../../sys/transfer.ts";
import { type CallingApp, callingApp } from "./app.ts";
import { pidsOf } from "./group.ts";
import type { StartedProcess } from "./processes.ts";

const buffer = new FixedBuffer(64);

/** The pid of an instance's first process as the caller sees it; 0 where it does not. */
function relativePid(caller: CallingApp, instance: string): number {
  try {
    const depth = pidsOf(caller.child()).length;
    return pidsOf(callingApp(caller.folder, caller.id, instance).child())[depth - 1] ?? 0;
  } catch {
    // It has ended already.
    return 0;
  }
}

/**
 * Starts a process that tells the number of its instance over a descriptor, and calls `started` when it has.
 * @param start owns nothing; the descriptor is closed when it returns
 */
export function watchStart(
  loop: EventLoop,
  app: CallingApp,
  start: (fd: number) => StartedProcess,
  started: (pid: number, relative: number) => void,
): StartedProcess {
  const [mine, theirs] = socketPair("stream");
  try {
    const process = start(theirs);
    let told = "";
    const watch = loop.watch(mine, pollFor.input, () => {
      const count = receive(mine, buffer.address, buffer.bytes.length, []);
      if (count === wouldBlock) return;
      if (count > 0) {
        told += Buffer.from(buffer.bytes.subarray(0, count)).toString("latin1");
        return;
      }
      watch[Symbol.dispose]();
      closeDescriptors([mine]);
      const number = told.trim();
      if (/^[0-9]{1,20}$/.test(number)) started(process.pid, relativePid(app, number));
    });
    return process;
  } catch (error) {
    closeDescriptors([mine]);
    throw error;
  } finally {
    closeDescriptors([theirs]);
  }
}
