// SPDX-License-Identifier: Apache-2.0

/** Where the modules of this program are: a compiled one has its own folder for them, with this file joined to the first. */
const isCompiled = import.meta.url.startsWith("file:///$bunfs/");
const root = isCompiled ? import.meta.url : new URL("../main.ts", import.meta.url).href;

interface Listener<Answer> {
  /** Is told each answer, in the order in which the thread gave them. */
  readonly answered: (answer: Answer) => void;
  /** Is told once when the thread threw something or has ended by itself; it answers nothing more then. */
  readonly failed: (error: Error) => void;
}

/**
 * A thread that runs a module; each such module calls `serveThread`, and is named where the program is compiled, in `dev`. It
 * costs about 3 ms and 12 MiB; one of `node:worker_threads` costs 11 ms, and as many to end. Until it is ended the process
 * goes on.
 */
export class Thread<Request, Answer> implements Disposable {
  readonly #worker: Worker;
  #hasEnded = false;

  /** `module` is its path below `src/`; `data` is told to it first. */
  constructor(module: string, data: unknown, { answered, failed }: Listener<Answer>) {
    this.#worker = new Worker(new URL(`./${module}`, root));
    const fail = (text: string): void => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      failed(new Error(`The thread of ${module} has ended: ${text}`));
    };
    this.#worker.addEventListener("message", ({ data: answer }) => {
      if (!this.#hasEnded) answered(answer as Answer);
    });
    this.#worker.addEventListener("error", ({ message }) => fail(message));
    this.#worker.addEventListener("close", () => fail("nobody told it to"));
    this.#worker.postMessage(data);
  }

  /** Sends a request; `memory` goes with it, and is no longer the caller's. */
  send(request: Request, memory: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(request, [...memory]);
  }

  /** Ends the thread, soon; what it does at that moment it may still do. It answers nothing more. */
  [Symbol.dispose](): void {
    this.#hasEnded = true;
    this.#worker.terminate();
  }
}

type Give<Answer> = (answer: Answer, memory?: readonly ArrayBuffer[]) => void;

/** What the other side of a `Thread` is: `start` gets its data, and answers who takes the requests. To be called once, by the module of a thread. */
export function serveThread<Data, Request, Answer>(
  start: (data: Data, give: Give<Answer>) => (request: Request) => void,
): void {
  const scope = globalThis as unknown as {
    onmessage: (event: { readonly data: unknown }) => void;
    postMessage(answer: Answer, memory: ArrayBuffer[]): void;
  };
  let take: ((request: Request) => void) | undefined;
  scope.onmessage = ({ data }) => {
    if (take !== undefined) take(data as Request);
    else take = start(data as Data, (answer, memory = []) => scope.postMessage(answer, [...memory]));
  };
}
