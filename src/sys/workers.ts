// SPDX-License-Identifier: Apache-2.0
import type { Worker } from "node:worker_threads";

/** Where the modules of this program are: a compiled one has its own folder for them, with this file joined to the first. */
const isCompiled = import.meta.url.startsWith("file:///$bunfs/");
const root = isCompiled ? import.meta.url : new URL("../main.ts", import.meta.url).href;

/**
 * Starts a thread that runs a module; `module` is its path below `src/`, `data` its `workerData`. Each such module is named where the program is
 * compiled, in `dev`. A thread costs about 20 ms and 12 MiB. It ends with `terminate()`.
 */
export function startWorker(module: string, data: unknown): Worker {
  // loaded only now: it takes 20 ms, and most changes need no thread
  const threads = process.getBuiltinModule("node:worker_threads");
  return new threads.Worker(new URL(`./${module}`, root), { workerData: data });
}
