// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { hash } from "node:crypto";
import { limits } from "../../../src/base/limits.ts";
import {
  type DigestedContent,
  encodeFileDelta,
  type FileFrame,
  makeFileFrame,
  parseFileDelta,
} from "../../../src/formats/zstd-chunked/file-delta.ts";
import { Patches } from "../../../src/formats/zstd-chunked/patches.ts";
import { noise } from "./support.ts";

const content = (bytes: Uint8Array): DigestedContent => ({ digest: `sha256:${hash("sha256", bytes)}`, bytes });
const versions = [1, 2, 3].map((last) => content(Buffer.concat([noise(50_000), noise(10, last)])));
const [first, second, third] = versions as [DigestedContent, DigestedContent, DigestedContent];

function patchesOf(held: readonly DigestedContent[], count = 1): Patches {
  const all = new Map(held.map(({ digest, bytes }) => [digest, bytes]));
  return new Patches((digest) => all.get(digest), count);
}

const make = (patches: Patches, ...wanted: readonly { readonly digest: string }[]) => [
  ...patches.make(new Set(wanted.map(({ digest }) => digest))),
];

test("Patches make a content over as many versions as there are, and no more", async () => {
  const steps = [await makeFileFrame(first, [second]), await makeFileFrame(second, [third])];
  for (const [count, made] of [
    [2, [third]],
    [1, []],
  ] as const) {
    const patches = patchesOf([first], count);
    patches.add(steps);
    expect(make(patches, third)).toEqual([...made]);
  }
  const patches = patchesOf([second]);
  patches.add(steps);
  expect(make(patches, third)).toEqual([third]);
  expect(make(patches, first)).toEqual([]);
});

test("Patches open a frame once, and take what is wanted of it", async () => {
  const small = [1, 2, 3, 4].map((seed) => content(noise(100 * seed, seed)));
  const [one, two, three, four] = small as [DigestedContent, DigestedContent, DigestedContent, DigestedContent];
  const frames = [await makeFileFrame(undefined, small), await makeFileFrame(first, [second])];
  const patches = patchesOf([first]);
  patches.add(parseFileDelta(encodeFileDelta(frames)));
  expect(make(patches, four, third, second, one, two)).toEqual([one, two, four, second]);
  expect(make(patches, three)).toEqual([three]);
});

test("Patches make what needs a content that a version between had among others", async () => {
  const between = await makeFileFrame(undefined, [content(noise(10)), second]);
  const patches = patchesOf([], 2);
  patches.add([between]);
  patches.add([await makeFileFrame(second, [third])]);
  expect(make(patches, third)).toEqual([third]);
});

test("Patches go in no circle", async () => {
  const patches = patchesOf([], limits.deltaVersions);
  patches.add([await makeFileFrame(first, [second]), await makeFileFrame(second, [first])]);
  expect(make(patches, second, first)).toEqual([]);
  const itself = await makeFileFrame(third, [third]);
  patches.add([itself]);
  expect(make(patches, third)).toEqual([]);
});

test("Patches refuse contents without the digest that they should have, also where it is named twice", async () => {
  const mismatch = expect.objectContaining({ code: "DIGEST_MISMATCH" });
  const frame = await makeFileFrame(undefined, [first, second]);
  const named = (...names: readonly DigestedContent[]): FileFrame => ({
    ...frame,
    to: names.map(({ digest }, at) => ({ digest, size: [first, second][at]?.bytes.length ?? 0 })),
  });
  const refused = (lie: FileFrame, ...wanted: readonly DigestedContent[]): void => {
    const patches = patchesOf([]);
    patches.add([lie]);
    expect(() => make(patches, ...wanted)).toThrow(mismatch);
  };
  refused(named(second, first), first);
  refused(named(second, second), second);
  const twice = patchesOf([]);
  twice.add([named(first, first)]);
  expect(make(twice, first)).toEqual([first]);
  const wrong = patchesOf([{ digest: first.digest, bytes: noise(50_010, 9) }]);
  wrong.add([await makeFileFrame(first, [second])]);
  expect(() => make(wrong, second)).toThrow(mismatch);
});

/** Frames that promise so many bytes, and lead from what nobody has. */
function promises(bytes: number): FileFrame[] {
  const result: FileFrame[] = [];
  for (let rest = bytes; rest > 0; rest -= limits.patchedFileBytes) {
    const { digest } = content(Buffer.from(`promise ${rest}`));
    const to = [{ digest, size: Math.min(rest, limits.patchedFileBytes) }];
    result.push({ from: content(noise(1)).digest, to, patch: noise(10) });
  }
  return result;
}

test("Patches make what is promised up to the limit of a layer, with what it is made of, and nothing past it", async () => {
  const real = await makeFileFrame(first, [second]);
  const size = first.bytes.length + second.bytes.length;
  for (const [more, made] of [
    [0, [second]],
    [1, []],
  ] as const) {
    const before = promises(limits.patchedLayerBytes - size + more);
    const patches = patchesOf([first]);
    patches.add([...before, real]);
    expect(make(patches, ...before.flatMap(({ to }) => to))).toEqual([]);
    expect(make(patches, second)).toEqual([...made]);
  }
});
