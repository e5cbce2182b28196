// SPDX-License-Identifier: Apache-2.0
// Fuzzes all codecs in turn for so many seconds. An input that breaks one joins its corpus.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { corpus, fuzzTarget } from "./run.ts";
import { targets } from "./targets.ts";

const seconds = Number(process.argv[2] ?? 60);
const end = performance.now() + seconds * 1000;
const rounds = 2000;
let inputs = 0;
let defects = 0;
for (let seed = Math.floor(Date.now() / 1000); performance.now() < end; seed++) {
  for (const name of Object.keys(targets)) {
    const start = performance.now();
    const defect = await fuzzTarget(name, seed, rounds);
    inputs += rounds;
    const slow = (performance.now() - start) / rounds;
    if (slow > 50) process.stdout.write(`${name}: ${slow.toFixed(0)} ms an input with seed ${seed}\n`);
    if (defect === undefined) continue;
    defects++;
    const file = join(corpus, name, createHash("sha256").update(defect.input).digest("hex").slice(0, 16));
    writeFileSync(file, defect.input);
    process.stdout.write(`${name}: ${String(defect.error)}\n  seed ${seed}, input kept as ${file}\n`);
  }
}
process.stdout.write(`${inputs} inputs, ${defects} defects\n`);
process.exit(defects === 0 ? 0 : 1);
