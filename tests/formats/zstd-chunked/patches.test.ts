// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { hash } from "node:crypto";
import { limits } from "../../../src/base/limits.ts";
import { type FilePatch, makeFilePatch } from "../../../src/formats/zstd-chunked/file-delta.ts";
import { Patches } from "../../../src/formats/zstd-chunked/patches.ts";
import { noise } from "./support.ts";

const digestOf = (bytes: Uint8Array): string => `sha256:${hash("sha256", bytes)}`;
const versions = [1, 2, 3].map((last) => Buffer.concat([noise(50_000), noise(10, last)]));
const [first = noise(0), second = noise(0), third = noise(0)] = versions;

async function patch(from: Uint8Array, to: Uint8Array): Promise<FilePatch> {
  const made = await makeFilePatch(from, to, { from: digestOf(from), to: digestOf(to) }, Number.MAX_SAFE_INTEGER);
  if (made === undefined) throw new Error("no patch");
  return made;
}

function patchesOf(held: readonly Uint8Array[], count = 1): Patches {
  const all = new Map(held.map((bytes) => [digestOf(bytes), bytes]));
  return new Patches((digest) => all.get(digest), count);
}

/** Patches that promise so many bytes, and lead from what nobody has. */
function promises(bytes: number): FilePatch[] {
  const result: FilePatch[] = [];
  for (let rest = bytes; rest > 0; rest -= limits.patchedFileBytes) {
    const digest = digestOf(Buffer.from(`promise ${rest}`));
    result.push({ digest, size: Math.min(rest, limits.patchedFileBytes), from: digestOf(noise(1)), patch: noise(10) });
  }
  return result;
}

test("Patches make a content over as many versions as there are, and no more", async () => {
  const steps = [await patch(first, second), await patch(second, third)];
  for (const [count, made] of [
    [2, third],
    [1, undefined],
  ] as const) {
    const patches = patchesOf([first], count);
    patches.add(steps);
    expect(patches.make(digestOf(third))).toEqual(made);
  }
  const patches = patchesOf([second]);
  patches.add(steps);
  expect(patches.make(digestOf(third))).toEqual(third);
  expect(patches.make(digestOf(first))).toBeUndefined();
});

test("Patches go in no circle", async () => {
  const patches = patchesOf([], limits.deltaVersions);
  patches.add([await patch(first, second), await patch(second, first)]);
  expect(patches.make(digestOf(second))).toBeUndefined();
});

test("Patches make what is promised up to the limit of a layer, and nothing past it", async () => {
  const real = await patch(first, second);
  for (const [more, made] of [
    [0, second],
    [1, undefined],
  ] as const) {
    const before = promises(limits.patchedLayerBytes - real.size + more);
    const patches = patchesOf([first]);
    patches.add([...before, real]);
    for (const { digest } of before) expect(patches.make(digest)).toBeUndefined();
    expect(patches.make(real.digest)).toEqual(made);
  }
});
