// SPDX-License-Identifier: Apache-2.0
// A thread that stages contents: digests and files are its work, so that its owner can unpack the next ones meanwhile.
import { serveThread } from "../../sys/workers.ts";
import { type AheadDigests, type Batch, type BatchResult, BatchStager } from "./batch.ts";
import type { StagerPlaces } from "./stager.ts";

interface Waiting {
  readonly batch: Batch;
  readonly digests: AheadDigests | undefined;
}

serveThread<StagerPlaces, Batch, BatchResult | AheadDigests>((places, give) => {
  const stager = new BatchStager(places);
  const waiting: Waiting[] = [];
  const stageNext = (): void => {
    const next = waiting.shift();
    if (next === undefined) return;
    const result = stager.stage(next.batch, next.digests);
    give(result, [result.buffer]);
    if (waiting.length > 0) setImmediate(stageNext);
  };
  return (batch) => {
    const digests = batch.ahead ? stager.lookAhead(batch) : undefined;
    if (digests !== undefined) give(digests);
    waiting.push({ batch, digests });
    // what comes until then is looked at first
    if (waiting.length === 1) setImmediate(stageNext);
  };
});
