// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../src/base/errors.ts";
import { findTocDeltas } from "../../src/oci/tocdelta.ts";
import { collectGarbage } from "../../src/store/garbage.ts";
import { treeAnnotation, viewAnnotation } from "../../src/store/image/voucher.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { noise } from "../formats/zstd-chunked/support.ts";
import { TestFolder } from "../store/images.ts";
import {
  askedOfLayer,
  type Files,
  Front,
  fetched,
  library,
  names,
  next,
  old,
  tableBytes,
  version,
  vouched,
  withDeltas,
} from "./deltafront.ts";

const tocFiles = (installation: ReturnType<TestFolder["installation"]>): string[] =>
  readdirSync(installation.layers).filter((name) => name.endsWith(".toc"));

test.each([treeAnnotation, viewAnnotation] as const)(
  "an update that the manifest vouches for by %s is made of the one before, again and again",
  async (by) => {
    using folder = new TestFolder();
    await using front = await Front.start(folder, true);
    const installation = folder.installation();
    const fresh = folder.installation("fresh");
    await fetched(front, installation, await vouched(folder, front, "v0", old, by));
    const versions: Files[] = [
      next,
      { ...next, "files/added": noise(3000, 5001), [names[7] ?? ""]: "small" },
      Object.fromEntries(Object.entries(next).filter((_, at) => at !== 33)),
      { ...old, "files/added": noise(3000, 5002) },
    ];
    for (const [at, files] of versions.entries()) {
      const published = await vouched(folder, front, `v${at + 1}`, files, by);
      const update = await fetched(front, installation, published);
      expect(update.bytes).toBeLessThan(15_000);
      expect(askedOfLayer(front, published)).toBe(0);
      const { commit } = await importImage(installation, front.repository, published.document);
      expect(readdirSync(join(installation.images, commit)).some((name) => name.startsWith("record-"))).toBe(true);
      expect(update.imageDigest).toBe((await fetched(front, fresh, published)).imageDigest);
      await collectGarbage(installation);
    }
    expect(tocFiles(installation)).toEqual([]);
  },
);

test.each([
  ["a registry", true],
  ["a registry that sends no parts of blobs", false],
])(
  "an update from %s that the manifest vouches for is made of deltas alone, several versions behind",
  async (_, withRanges) => {
    using folder = new TestFolder();
    await using front = await Front.start(folder, true);
    front.withRanges = withRanges;
    const installation = folder.installation();
    await fetched(front, installation, await vouched(folder, front, "v0", { ...old, [library]: version(0) }));
    await vouched(folder, front, "v1", { ...next, [library]: version(1) });
    await vouched(folder, front, "v2", { ...next, [names[7] ?? ""]: noise(2000, 5001), [library]: version(1) });
    const last = await vouched(folder, front, "v3", {
      ...next,
      "files/added": noise(3000, 5002),
      // without a patch, two of them are larger than the layer
      [library]: version(withRanges ? 2 : 1),
    });
    const update = await fetched(front, installation, last);
    expect(update.deltas).toBe(1);
    expect(askedOfLayer(front, last)).toBe(0);
    if (withRanges) expect(update.bytes).toBeLessThan(50_000);
    const whole = await fetched(front, folder.installation("whole"), last);
    expect(askedOfLayer(front, last)).toBeGreaterThan(0);
    expect(update.imageDigest).toBe(whole.imageDigest);
  },
);
test.each([
  "the record of the layer before is gone",
  "the delta lies",
  "the delta names a place outside",
  "the delta adds what no image may hold",
  "the delta is no delta",
])("an update comes as it would without the version before where %s", async (what) => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const installation = folder.installation();
  await fetched(front, installation, await vouched(folder, front, "v0", old));
  await fetched(front, installation, await vouched(folder, front, "v1", next));
  const last = await vouched(folder, front, "v2", { ...next, [names[120] ?? ""]: noise(900, 3001) });
  let source = front.repository;
  if (what.startsWith("the record")) {
    for (const commit of readdirSync(installation.images)) {
      for (const name of readdirSync(join(installation.images, commit))) {
        if (name.startsWith("record-")) rmSync(join(installation.images, commit, name));
      }
    }
  } else {
    const deltas = await findTocDeltas(source, last.document.descriptor.digest);
    const delta = deltas.find(({ makes }) => makes === "entries");
    if (delta === undefined) throw new Error("no delta");
    const { blob, ...named } = delta;
    const bytes = Buffer.concat(await Array.fromAsync(source.openBlob(blob)));
    const text = Bun.zstdDecompressSync(bytes).toString();
    const lie = (): string => {
      if (what.endsWith("outside")) return text.replace('"name":"files/', '"name":"../files/');
      if (what.endsWith("hold")) return text.replace(/"type":"reg",("name":"[^"]*").*/, '"type":"fifo",$1,"mode":420}');
      return text.replace('"mode":420', '"mode":493');
    };
    expect(lie()).not.toBe(text);
    const bytesOfLie = what.endsWith("no delta") ? noise(300) : Bun.zstdCompressSync(lie());
    source = await withDeltas(front, last.document, [{ ...named, bytes: bytesOfLie }]);
  }
  front.sent = 0;
  const update = await importImage(installation, source, last.document);
  // otherwise the version before that one is still there to make it of
  if (what.startsWith("the delta")) expect(front.sent).toBeGreaterThan(tableBytes(last));
  const whole = await fetched(front, folder.installation("whole"), last);
  expect(update.imageDigest).toBe(whole.imageDigest);
});

test.each(["what hangs on the image cannot be found", "the deltas cannot be fetched"])(
  "an update comes without deltas where %s",
  async (what) => {
    using folder = new TestFolder();
    await using front = await Front.start(folder, true);
    const installation = folder.installation();
    await fetched(front, installation, await vouched(folder, front, "v0", old));
    const last = await vouched(folder, front, "v1", next);
    const { repository } = front;
    const deltas = await findTocDeltas(repository, last.document.descriptor.digest);
    expect(deltas.map(({ makes }) => makes)).toEqual(["table", "entries", "files"]);
    const blobs = new Set(deltas.map(({ blob }) => blob.digest));
    const refuse = () => Promise.reject(new DowelError("REGISTRY_UNREACHABLE", "no"));
    const referrers = what.startsWith("what") ? refuse : repository.referrers.bind(repository);
    async function* openBlob(...words: Parameters<typeof repository.openBlob>): ReturnType<typeof repository.openBlob> {
      if (blobs.has(words[0].digest)) await refuse();
      yield* repository.openBlob(...words);
    }
    const values = { referrers: { value: referrers }, openBlob: { value: openBlob } };
    const source: typeof repository = Object.create(repository, values);
    const { imageDigest } = await importImage(installation, source, last.document);
    expect(imageDigest).toBe((await fetched(front, folder.installation("whole"), last)).imageDigest);
  },
);
