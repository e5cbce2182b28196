// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../../src/base/errors.ts";
import { Dice, mutate } from "./mutate.ts";
import { type Target, targets } from "./targets.ts";

export const corpus = join(import.meta.dir, "corpus");

/** The samples of a target. */
function samplesOf(name: string): readonly Uint8Array[] {
  return readdirSync(join(corpus, name))
    .sort()
    .map((file) => readFileSync(join(corpus, name, file)));
}

/** What an input brought about that it must not. */
export interface Defect {
  readonly target: string;
  readonly input: Uint8Array;
  readonly error: unknown;
}

/** Gives one input to a target; undefined where it was read or refused properly. */
export async function tryInput(name: string, target: Target, input: Uint8Array): Promise<Defect | undefined> {
  try {
    await target(input);
    return undefined;
  } catch (error) {
    return isDowelError(error) ? undefined : { target: name, input, error };
  }
}

/** Gives a target every sample, then so many changed ones; the same for the same seed. */
export async function fuzzTarget(name: string, seed: number, rounds: number): Promise<Defect | undefined> {
  const target = targets[name];
  const samples = samplesOf(name);
  const [first] = samples;
  if (target === undefined || first === undefined) throw new Error(`There is no target or no corpus ${name}`);
  for (const sample of samples) {
    const defect = await tryInput(name, target, sample);
    if (defect !== undefined) return defect;
  }
  const dice = new Dice(seed);
  for (let round = 0; round < rounds; round++) {
    const sample = samples[dice.below(samples.length)] ?? first;
    const other = samples[dice.below(samples.length)] ?? first;
    const defect = await tryInput(name, target, mutate(sample, other, dice));
    if (defect !== undefined) return defect;
  }
  return undefined;
}
