// SPDX-License-Identifier: Apache-2.0
// A thread that does one part of the work on an archive: see `stage.ts`.
import { parentPort, workerData } from "node:worker_threads";
import type { Batch } from "./batch.ts";
import { type StageJob, workOn } from "./stage.ts";

const work = workOn(workerData as StageJob);

parentPort?.on("message", (batch: Batch) => {
  const result = work.run(batch);
  parentPort?.postMessage(result, "room" in result ? [result.buffer, result.room] : [result.buffer]);
});
