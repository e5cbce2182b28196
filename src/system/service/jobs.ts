// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { DowelEvent, Report } from "../../base/events.ts";
import { limits } from "../../base/limits.ts";
import type { ImagePlace } from "../../remotes/types.ts";
import type { Installation } from "../../store/installation.ts";
import type { SystemChange } from "../change.ts";
import { Queue } from "./queue.ts";

/** Who asked: the unique name of a connection, which the bus gives to nobody else, and the user it belongs to. */
export interface Caller {
  readonly name: string;
  readonly uid: number;
}

export interface Job {
  readonly caller: Caller;
  /** The caller's own name for the job. */
  readonly token: string;
  readonly installation: Installation;
  readonly change: SystemChange;
  /** Layouts that the caller holds open, and that are open here until the job has ended. */
  readonly media: readonly ImagePlace[];
  /** The caller agrees to being asked for a password. */
  readonly interactive: boolean;
}

export interface JobContext {
  readonly granted: readonly string[];
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** What happens to a job, in this order. */
export interface Steps {
  /** Answers the rights that the caller was granted. Throws `NOT_PERMITTED` where one that is needed is not. */
  readonly authorize: (job: Job, signal: AbortSignal) => Promise<readonly string[]>;
  /** Answers whether anything had to be done. */
  readonly work: (job: Job, context: JobContext) => Promise<boolean>;
  readonly tell: (job: Job, event: DowelEvent) => void;
}

/** The jobs that were taken and have not ended; of each installation one is carried out at a time. */
export class Jobs {
  readonly #steps: Steps;
  readonly #queue = new Queue();
  readonly #running = new Map<string, { readonly controller: AbortController; readonly uid: number }>();
  readonly #all = new AbortController();
  readonly #drained = Promise.withResolvers<void>();

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  get idle(): boolean {
    return this.#running.size === 0;
  }

  /** Carries a job out. Throws `USAGE` for a token that is in use, `LIMIT_EXCEEDED` where a caller or user asks for too much. */
  async run(job: Job): Promise<boolean> {
    const { authorize, work, tell } = this.#steps;
    const key = keyOf(job.caller.name, job.token);
    this.#checkRoom(job.caller, key);
    const controller = new AbortController();
    this.#running.set(key, { controller, uid: job.caller.uid });
    const signal = AbortSignal.any([controller.signal, this.#all.signal]);
    try {
      const granted = await authorize(job, signal);
      const report = thinned((event) => tell(job, event));
      const begin = (): Promise<boolean> => work(job, { granted, report, signal });
      // A mount changes nothing of the installation, and somebody waits for an app to start.
      if (job.change.kind === "mount") return await begin();
      return await this.#queue.run(job.installation.path, signal, begin);
    } finally {
      this.#running.delete(key);
      if (this.idle && this.#all.signal.aborted) this.#drained.resolve();
    }
  }

  #checkRoom({ name, uid }: Caller, key: string): void {
    if (this.#running.has(key)) throw new DowelError("USAGE", "This token names a job of yours that has not ended");
    const own = [...this.#running.keys()].filter((other) => other.startsWith(keyOf(name, "")));
    if (own.length >= limits.changesOutstanding) {
      throw new DowelError("LIMIT_EXCEEDED", `More than ${limits.changesOutstanding} jobs of one caller`);
    }
    // A user can have as many connections as the bus permits.
    const users = [...this.#running.values()].filter((other) => other.uid === uid);
    if (users.length < limits.changesOfUser) return;
    throw new DowelError("LIMIT_EXCEEDED", `More than ${limits.changesOfUser} jobs of user ${uid}`);
  }

  /** Cancels a job. Throws `NOT_PERMITTED` where the caller has none of that name: nobody can name another's job. */
  cancel(caller: string, token: string): void {
    const running = this.#running.get(keyOf(caller, token));
    if (running === undefined) {
      throw new DowelError("NOT_PERMITTED", `You have no job ${token} here; a job is cancelled by who asked for it`);
    }
    running.controller.abort(new Error("Cancelled by the caller"));
  }

  /** A caller is gone, and nobody waits for its jobs any more. */
  callerGone(caller: string): void {
    for (const [key, { controller }] of this.#running) {
      if (key.startsWith(keyOf(caller, ""))) controller.abort(new Error("The caller has gone"));
    }
  }

  /** Cancels everything, and waits until all has ended. */
  async stop(reason: unknown): Promise<void> {
    this.#all.abort(reason);
    if (!this.idle) await this.#drained.promise;
  }
}

/** Neither names on a bus nor tokens have blanks in them. */
function keyOf(caller: string, token: string): string {
  return `${caller} ${token}`;
}

const millisecondsBetweenProgress = 100;

/** Of the progress of one transfer, passes on what a person can follow; everything else as it is. */
function thinned(tell: Report): Report {
  const told = new Map<string, number>();
  return (event) => {
    if (event.type === "fetch.progress") {
      const now = performance.now();
      if (now - (told.get(event.name) ?? Number.NEGATIVE_INFINITY) < millisecondsBetweenProgress) return;
      told.set(event.name, now);
    }
    tell(event);
  };
}
