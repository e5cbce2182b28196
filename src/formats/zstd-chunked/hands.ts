// SPDX-License-Identifier: Apache-2.0
// A thread that does one part of the work on an archive: see `stage.ts`.
import { serveThread } from "../../sys/workers.ts";
import type { Batch, Digested, Packed } from "./batch.ts";
import { type StageJob, workOn } from "./stage.ts";

serveThread<StageJob, Batch, Digested | Packed>((job, give) => {
  const work = workOn(job);
  return (batch) => {
    const result = work.run(batch);
    give(result, "room" in result ? [result.buffer, result.room] : [result.buffer]);
  };
});
