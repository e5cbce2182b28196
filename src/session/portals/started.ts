// SPDX-License-Identifier: Apache-2.0
import type { EventLoop } from "../../loop/loop.ts";
import { pollFor } from "../../sys/epoll.ts";
import { socketPair } from "../../sys/sockets.ts";
import { closeDescriptors, FixedBuffer, receive, wouldBlock } from "../../sys/transfer.ts";
import { type CallingApp, callingApp } from "./app.ts";
import { pidsOf } from "./group.ts";
import type { StartedProcess } from "./processes.ts";

const buffer = new FixedBuffer(64);

const isNumber = /^[0-9]{1,20}$/;
const shortestWait = 1;
/** Milliseconds, each twice as long as the one before; a sandbox that is not there by then is told of without its pid. */
const longestWait = 16_384;

/** The pid of an instance's first process as the caller sees it; undefined where it is not there, or not yet. */
function relativePid(caller: CallingApp, instance: string): number | undefined {
  try {
    const depth = pidsOf(caller.child()).length;
    return pidsOf(callingApp(caller.folder, caller.id, instance).child())[depth - 1];
  } catch {
    return undefined;
  }
}

/** The pid of an instance's first process; undefined while there is none. */
type FindPid = (instance: string) => number | undefined;

/** A sandbox that comes up: its process tells the instance's number, then the instance tells its first process. */
class Start {
  readonly #loop: EventLoop;
  readonly #fd: number;
  readonly #watch: Disposable;
  readonly #find: FindPid;
  readonly #started: (relative: number) => void;
  #text = "";
  #isOpen = true;
  #isTold = false;
  #wait = shortestWait;

  /** @param started is called once at most */
  constructor(loop: EventLoop, fd: number, find: FindPid, started: (relative: number) => void) {
    this.#loop = loop;
    this.#fd = fd;
    this.#find = find;
    this.#started = started;
    this.#watch = loop.watch(fd, pollFor.input, () => this.#read());
  }

  /** The process has ended: what is there is all. */
  finish(): void {
    this.#read();
    if (this.#isOpen) this.#end();
    if (isNumber.test(this.#text)) this.#tell(0);
    this.#isTold = true;
  }

  #read(): void {
    while (this.#isOpen) {
      const count = receive(this.#fd, buffer.address, buffer.bytes.length, []);
      if (count === wouldBlock) return;
      if (count > 0) this.#text += Buffer.from(buffer.bytes.subarray(0, count)).toString("latin1");
      else this.#end();
    }
  }

  #end(): void {
    this.#isOpen = false;
    this.#watch[Symbol.dispose]();
    closeDescriptors([this.#fd]);
    this.#text = this.#text.trim();
    if (isNumber.test(this.#text)) this.#look();
  }

  #look(): void {
    if (this.#isTold) return;
    const found = this.#find(this.#text);
    if (found !== undefined || this.#wait > longestWait) {
      this.#tell(found ?? 0);
      return;
    }
    this.#loop.after(this.#wait, () => this.#look());
    this.#wait *= 2;
  }

  #tell(relative: number): void {
    if (!this.#isTold) this.#started(relative);
    this.#isTold = true;
  }
}

/**
 * Starts a process that tells the number of its instance over a descriptor, and calls `started` when it has, before it is
 * said to have ended.
 * @param start owns nothing; the descriptor is closed when it returns
 * @param exposes whether the caller sees the pids of the new sandbox
 */
export function watchStart(
  loop: EventLoop,
  app: CallingApp,
  exposes: boolean,
  start: (fd: number) => StartedProcess,
  started: (pid: number, relative: number) => void,
): StartedProcess {
  const [mine, theirs] = socketPair("stream");
  try {
    const { pid, ended } = start(theirs);
    const find = (instance: string): number | undefined => (exposes ? relativePid(app, instance) : 0);
    const coming = new Start(loop, mine, find, (relative) => started(pid, relative));
    return { pid, ended: ended.finally(() => coming.finish()) };
  } catch (error) {
    closeDescriptors([mine]);
    throw error;
  } finally {
    closeDescriptors([theirs]);
  }
}
