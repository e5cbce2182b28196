// SPDX-License-Identifier: Apache-2.0
import { Thread } from "../../sys/workers.ts";
import type { Batch, Digested, Packed } from "./batch.ts";
import { Digester } from "./digester.ts";
import { Packer } from "./packer.ts";

/** What a thread is to do with the batches that it gets. */
export type StageJob =
  | { readonly kind: "digest"; readonly withVerity: boolean }
  | { readonly kind: "pack"; readonly level: number };

interface Work {
  run(batch: Batch): Digested | Packed;
  [Symbol.dispose]?(): void;
}

/** Work on the batches of one archive. They end in the order in which they are given. */
export interface Stage<R> extends AsyncDisposable {
  /** The memory of the batch belongs to the stage until it is given back with the result. */
  run(batch: Batch): Promise<R>;
}

/** One stage in this thread; `hands.ts` has it in a thread of its own. */
export function workOn(job: StageJob): Work {
  return job.kind === "digest" ? new Digester(job.withVerity) : new Packer(job.level);
}

/** A stage in a thread of its own, or in this one. */
export function startStage(job: StageJob & { readonly kind: "digest" }, threaded: boolean): Stage<Digested>;
export function startStage(job: StageJob & { readonly kind: "pack" }, threaded: boolean): Stage<Packed>;
export function startStage(job: StageJob, threaded: boolean): Stage<Digested | Packed> {
  return threaded ? new ThreadStage(job) : new OwnStage(job);
}

class OwnStage implements Stage<Digested | Packed> {
  readonly #work: Work;

  constructor(job: StageJob) {
    this.#work = workOn(job);
  }

  async run(batch: Batch): Promise<Digested | Packed> {
    return this.#work.run(batch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#work[Symbol.dispose]?.();
  }
}

interface Waiting {
  readonly resolve: (result: Digested | Packed) => void;
  readonly reject: (error: Error) => void;
}

class ThreadStage implements Stage<Digested | Packed> {
  readonly #thread: Thread<Batch, Digested | Packed>;
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;

  constructor(job: StageJob) {
    this.#thread = new Thread("formats/zstd-chunked/hands.ts", job, {
      answered: (result: Digested | Packed) => this.#waiting.shift()?.resolve(result),
      failed: (error) => this.#fail(error),
    });
  }

  run(batch: Batch): Promise<Digested | Packed> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#thread.send(batch, batch.room === undefined ? [batch.buffer] : [batch.buffer, batch.room]);
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#thread[Symbol.dispose]();
  }
}
