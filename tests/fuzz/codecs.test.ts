// SPDX-License-Identifier: Apache-2.0
// A short, repeatable walk; `./dev fuzz` goes on for as long as is wanted, with other seeds.
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { DowelError } from "../../src/base/errors.ts";
import { corpus, fuzzTarget, tryInput } from "./run.ts";
import { targets } from "./targets.ts";

test("every target has a corpus, and every corpus a target", () => {
  expect(readdirSync(corpus).sort()).toEqual(Object.keys(targets).sort());
});

test("an error that is not Dowel's own counts as a defect", async () => {
  const input = new Uint8Array(1);
  const refuse = () => Promise.reject(new DowelError("SCHEMA", "no"));
  expect(await tryInput("x", refuse, input)).toBeUndefined();
  const fail = () => {
    throw new TypeError("undefined is not a function");
  };
  expect(await tryInput("x", fail, input)).toMatchObject({ target: "x", input });
});

test.each(Object.keys(targets))("%s refuses changed input with an error of its own", async (name) => {
  expect(await fuzzTarget(name, 1, 300)).toBeUndefined();
});
