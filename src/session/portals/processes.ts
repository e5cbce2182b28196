// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { errnoOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { launcherPath } from "../../instances/launcher.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { pollFor } from "../../sys/epoll.ts";
import { openProcess } from "../../sys/process.ts";
import { closeDescriptors, duplicateDescriptor } from "../../sys/transfer.ts";
import { portalErrors } from "./errors.ts";
import { signalGroup } from "./group.ts";

/** `waitpid(2)`'s status. */
function waitStatus(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? ((code ?? 0) & 0xff) << 8 : constants.signals[signal];
}

export interface StartedProcess {
  readonly pid: number;
  /** Resolves to the status of waitpid(2). */
  readonly ended: Promise<number>;
}

function notStarted(cause: unknown): BusCallError {
  const errno = errnoOf(cause);
  const why = errno === undefined ? "" : `: ${errno}`;
  return new BusCallError(portalErrors.failed, `The process could not be started${why}`, { cause });
}

/** Starts `dowel` in a session of its own. `descriptors` are passed under their numbers; they stay their owner's. */
export function startDowel(
  loop: EventLoop,
  words: readonly string[],
  descriptors: ReadonlyMap<number, number>,
): StartedProcess {
  const most = Math.max(2, ...descriptors.keys());
  // Above all targets: the new process puts one after the other in its place, and none must lie where another comes.
  const copies = new Map([...descriptors].map(([target, fd]) => [target, duplicateDescriptor(fd, most + 1)]));
  try {
    const stdio = Array.from({ length: most + 1 }, (_, target) => copies.get(target) ?? ("ignore" as const));
    const child = spawn(launcherPath(), words, { cwd: "/", detached: true, stdio });
    const { pid } = child;
    if (pid === undefined) throw notStarted(undefined);
    return { pid, ended: waitFor(loop, child, pid) };
  } catch (error) {
    // A word that is too long for the kernel, say.
    throw errnoOf(error) === undefined ? error : notStarted(error);
  } finally {
    closeDescriptors([...copies.values()]);
  }
}

/** The engine tells of the end only when it runs; the kernel tells when that is worth it. */
async function waitFor(loop: EventLoop, child: ChildProcess, pid: number): Promise<number> {
  const exited = new Promise<number>((resolve) => {
    child.once("exit", (code, signal) => resolve(waitStatus(code, signal)));
  });
  const pidfd = openProcess(pid);
  if (pidfd !== undefined) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const watch = loop.watch(pidfd, pollFor.input, () => {
      watch[Symbol.dispose]();
      closeDescriptors([pidfd]);
      loop.yield();
      resolve();
    });
    await promise;
  }
  return await loop.during(exited);
}

/** The processes that one connection of an app has spawned; it can signal those alone. */
export class Processes {
  readonly #running = new Map<number, { readonly watched: boolean }>();

  /** Throws where one more must not be started. */
  checkRoom(): void {
    if (this.#running.size < limits.portalProcesses) return;
    throw new BusCallError(busErrors.limitsExceeded, `${this.#running.size} processes that were spawned still run`);
  }

  add(process: StartedProcess, watched: boolean, ended: (status: number) => void): void {
    this.#running.set(process.pid, { watched });
    void process.ended.then((status) => {
      this.#running.delete(process.pid);
      ended(status);
    });
  }

  signal(pid: number, number: number, toGroup: boolean): void {
    if (!this.#running.has(pid)) {
      throw new BusCallError("org.freedesktop.DBus.Error.UnixProcessIdUnknown", `No process ${pid} was spawned here`);
    }
    if (number < 1 || number > 64) throw new BusCallError(busErrors.invalidArguments, `${number} is no signal`);
    if (toGroup) signalGroup(pid, number);
    else process.kill(pid, number);
  }

  /** The caller has gone from the bus. */
  endWatched(): void {
    for (const [pid, { watched }] of this.#running) {
      try {
        if (watched) process.kill(-pid, "SIGKILL");
      } catch (error) {
        // One that has just ended must not keep the others alive.
        if (errnoOf(error) !== "ESRCH") throw error;
      }
    }
  }
}
