// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { limits } from "../../src/base/limits.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { deltasBefore, type FoundDelta, wayTo } from "../../src/oci/tocdelta.ts";

const digest = digestOf(new Uint8Array(0));
const delta = (from: string, to: string, makes: FoundDelta["makes"] = "table"): FoundDelta => ({
  makes,
  from,
  to,
  fromLayer: digest,
  unpackedSize: 1,
  blob: { mediaType: "application/x", digest, size: 1 },
});
const names = (deltas: readonly FoundDelta[] | undefined) => deltas?.map(({ from, to }) => `${from}-${to}`);
const has =
  (...at: string[]) =>
  ({ from }: FoundDelta): boolean =>
    at.includes(from);

test("wayTo() finds the shortest way from what is at hand, in the order to go it", () => {
  const deltas = [delta("a", "b"), delta("b", "c"), delta("c", "d"), delta("a", "d"), delta("d", "a")];
  expect(names(wayTo(deltas, "d", has("b")))).toEqual(["b-c", "c-d"]);
  expect(names(wayTo(deltas, "d", has("a", "b")))).toEqual(["a-d"]);
  expect(wayTo(deltas, "d", has("x"))).toBeUndefined();
  expect(wayTo(deltas, "x", has("a"))).toBeUndefined();
});

test("wayTo() and deltasBefore() go back no more versions than the limit, and not in circles", () => {
  const long = Array.from({ length: 2 * limits.deltaVersions }, (_, at) => delta(`${at + 1}`, `${at}`));
  expect(wayTo(long, "0", has(`${limits.deltaVersions}`))).toHaveLength(limits.deltaVersions);
  expect(wayTo(long, "0", has(`${limits.deltaVersions + 1}`))).toBeUndefined();
  expect(deltasBefore(long, ["0"])).toHaveLength(limits.deltaVersions - 1);
  const circle = [delta("a", "b"), delta("b", "a"), delta("a", "b", "files")];
  expect(deltasBefore(circle, ["b"])).toHaveLength(3);
  expect(wayTo(circle, "b", has("x"))).toBeUndefined();
});
