// SPDX-License-Identifier: Apache-2.0
// A thread that stages contents: digests and files are its work, so that its owner can unpack the next ones meanwhile.
import { parentPort, workerData } from "node:worker_threads";
import { type Batch, BatchStager } from "./batch.ts";
import type { StagerPlaces } from "./stager.ts";

const stager = new BatchStager(workerData as StagerPlaces);

parentPort?.on("message", (batch: Batch) => {
  const result = stager.stage(batch);
  parentPort?.postMessage(result, [result.buffer]);
});
