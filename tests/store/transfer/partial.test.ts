// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { collectGarbage } from "../../../src/store/garbage.ts";
import { objectPath } from "../../../src/store/objects/paths.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { noise, type Written, writeLayer } from "../../formats/zstd-chunked/support.ts";
import { layerRecords, TestFolder } from "../images.ts";
import { type Answers, appInputs, appLayer, type Offer, offer, putTogether, relabelled } from "./chunked.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function offered(layers: readonly Written[], answers?: Answers): Promise<Offer> {
  const result = await offer(layers, answers);
  closers.push(result.close);
  return result;
}

type Installation = ReturnType<TestFolder["installation"]>;

function objectsOf(installation: Installation): Map<string, Buffer> {
  const digests = readdirSync(installation.objects).flatMap((folder) =>
    readdirSync(join(installation.objects, folder)).map((name) => folder + name),
  );
  return new Map(digests.sort().map((digest) => [digest, readFileSync(objectPath(installation, digest))]));
}

async function install(installation: Installation, { source, document }: Offer) {
  return await importImage(installation, await source(), await document());
}

const many = Array.from({ length: 40 }, (_, at) => [`files/lib/${at}`, noise(20_000 + at * 500, at + 1)] as const);
const base = Object.fromEntries(many);
const changed = { ...base, "files/lib/7": noise(23_500, 999), "files/small": "tiny and new" };

async function pair(answers?: Answers): Promise<[Offer, Offer]> {
  return [await offered([await appLayer(base)]), await offered([await appLayer(changed)], answers)];
}

/** What the second version gives in an installation of its own, where nothing is shared. */
async function expectLikeWhole(folder: TestFolder, installation: Installation, to: Offer) {
  const fresh = folder.installation(`fresh-${Math.random()}`);
  const whole = await install(fresh, await offered(to.layers));
  const partial = await install(installation, to);
  expect(partial.imageDigest).toBe(whole.imageDigest);
  expect(partial).toEqual({ ...whole, newObjects: partial.newObjects });
  const [left, right] = [objectsOf(installation), objectsOf(fresh)];
  for (const [digest, bytes] of right) expect(left.get(digest)).toEqual(bytes);
}

describe("importImage() of a zstd:chunked layer", () => {
  test("fetches the tables and the changed files only, and gives the image that the whole layer gives", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const [from, to] = await pair();
    await install(installation, from);
    await expectLikeWhole(folder, installation, to);
    const layer = to.layers[0];
    const tables = (layer?.blob.length ?? 0) - (layer?.layer.toc.entries.at(-1)?.chunks.at(-1)?.end ?? 0);
    expect(to.sent()).toBeLessThan(tables + 30_000);
    expect(to.ranges().length).toBe(2);
  });

  test("fetches the changed chunks of a large file only", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const large = noise(3_000_000, 5);
    const patched = new Uint8Array(large);
    patched.set([1, 2, 3, 4], 1_500_000);
    await install(installation, await offered([await appLayer({ "files/large": large, "files/twice": large })]));
    const to = await offered([await appLayer({ "files/large": patched, "files/twice": large })]);
    await expectLikeWhole(folder, installation, to);
    expect(to.sent()).toBeLessThan(700_000);
  });

  test("takes chunks of files that were fetched themselves in part", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const block = noise(400_000, 8);
    const hole = Buffer.concat([block, Buffer.alloc(100_000), block, noise(5000, 2)]);
    await install(installation, await offered([await appLayer(base)]));
    const to = await offered([await appLayer({ ...base, "files/x": hole, "files/y": Buffer.concat([hole, block]) })]);
    await expectLikeWhole(folder, installation, to);
    const again = await offered([await appLayer({ ...base, "files/z": Buffer.concat([noise(70_000, 3), hole]) })]);
    await expectLikeWhole(folder, installation, again);
    expect(again.sent()).toBeLessThan(500_000);
  });

  test("gives the same image and objects in part and as a whole, whatever changes", async () => {
    const content = fc.oneof(
      fc.tuple(fc.nat(90_000), fc.nat(4)).map(([size, seed]) => noise(size, seed + 1)),
      fc.uint8Array({ maxLength: 80 }),
    );
    const tree = fc.dictionary(fc.constantFrom("a", "b", "c", "d", "e"), content, { maxKeys: 5 });
    await fc.assert(
      fc.asyncProperty(tree, tree, async (before, after) => {
        using folder = new TestFolder();
        const installation = folder.installation();
        const named = (files: typeof before) =>
          Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`files/${name}`, bytes]));
        await install(installation, await offered([await appLayer({ ...base, ...named(before) })]));
        await expectLikeWhole(folder, installation, await offered([await appLayer({ ...base, ...named(after) })]));
      }),
      { numRuns: 8 },
    );
  }, 60_000);

  test("applies whiteouts and hard links as the archive says", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    await install(installation, await offered([await appLayer(base)]));
    const upper = await writeLayer([
      ...putTogether({ "files/lib/.wh.3": "", "files/lib/4": noise(90_000, 77), ...base }, ["files/lib/4", "files/l"]),
    ]);
    await expectLikeWhole(folder, installation, await offered([await appLayer(changed), upper]));
  });

  test("fetches everything where the objects are gone", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const [from, to] = await pair();
    await install(installation, from);
    await collectGarbage(installation);
    expect(objectsOf(installation).size).toBe(0);
    await expectLikeWhole(folder, installation, to);
    expect(to.sent()).toBeGreaterThan(0.99 * (to.layers[0]?.blob.length ?? Number.POSITIVE_INFINITY));
  });
});

describe("importImage() of a zstd:chunked layer from a registry that", () => {
  const cases: readonly [name: string, answers: Answers][] = [
    ["ignores ranges", { ranges: "ignored" }],
    ["ignores several ranges at once", { ranges: "single" }],
    ["answers 416 to several ranges", { ranges: "416" }],
    ["answers 400 to any range", { ranges: "400" }],
    ["sends the parts in another order", { ranges: "reordered" }],
    ["cuts each answer", { cutAfter: 9000 }],
  ];
  for (const [name, answers] of cases) {
    test(name, async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const [from, to] = await pair(answers);
      await install(installation, from);
      await expectLikeWhole(folder, installation, to);
    });
  }

  test("corrupts a part, and fetches the whole layer", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const [from, to] = await pair({ corruptAt: 100 });
    await install(installation, from);
    await expectLikeWhole(folder, installation, to);
    expect(to.sent()).toBeGreaterThan(to.layers[0]?.blob.length ?? Number.POSITIVE_INFINITY);
  });

  test("dies while the first image comes, so that the next try fetches what is missing", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const large = Object.fromEntries(
      Array.from({ length: 8 }, (_, at) => [`files/large/${at}`, noise(500_000, 90 + at)]),
    );
    const layer = await appLayer({ ...base, ...large });
    const dying = await offered([layer], { deadAfter: Math.floor(layer.blob.length * 0.7) });
    await expect(install(installation, dying)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(readdirSync(installation.images)).toHaveLength(0);
    const alive = await offered([layer]);
    await expectLikeWhole(folder, installation, alive);
    expect(alive.sent()).toBeLessThan(layer.blob.length * 0.6);
  });

  test("dies in the middle, so that the next try fetches what is missing", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const news = { ...base, ...Object.fromEntries(many.map(([name, bytes]) => [`${name}-new`, bytes.toReversed()])) };
    const layer = await appLayer(news);
    await install(installation, await offered([await appLayer(base)]));
    const dying = await offered([layer], { deadAfter: 400_000 });
    await expect(install(installation, dying)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(readdirSync(installation.images)).toHaveLength(1);
    const alive = await offered([layer]);
    await expectLikeWhole(folder, installation, alive);
    expect(alive.sent()).toBeLessThan(layer.blob.length / 2 - 250_000);
  });
});

describe("importImage() refuses a zstd:chunked layer, and leaves the store as it was, where", () => {
  const cases: readonly [name: string, lie: () => Promise<Written>, code: string][] = [
    [
      "the table of contents names another file than the archive",
      async () => relabelled(await appLayer(changed), (toc) => toc.replace('"files/small"', '"files/smell"')),
      "ZSTD_CHUNKED_INVALID",
    ],
    [
      "the table of contents makes a file executable",
      async () => relabelled(await appLayer(changed), (toc) => toc.replace('"mode":420', '"mode":493')),
      "ZSTD_CHUNKED_INVALID",
    ],
    [
      "the table of contents gives a file the content of another",
      async () => {
        const swap = (toc: string) => {
          const digest = (name: string) => new RegExp(`"name":"${name}".*?"digest":"(.*?)"`).exec(toc)?.[1] ?? "";
          const [one, two] = [digest("files/lib/6"), digest("files/lib/8")];
          return toc.replace(one, "?").replace(two, one).replace("?", two);
        };
        return relabelled(await appLayer(changed), swap);
      },
      "DIGEST_MISMATCH",
    ],
    [
      "the table of contents does not have its digest",
      async () => relabelled(await appLayer(changed), (t) => t, true),
      "DIGEST_MISMATCH",
    ],
  ];
  for (const [name, lie, code] of cases) {
    test(name, async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      await install(installation, await offered([await appLayer(base)]));
      const before = objectsOf(installation);
      const message = expect.not.stringMatching(/unpacked it is (?!sha256:)/);
      await expect(install(installation, await offered([await lie()]))).rejects.toMatchObject({ code, message });
      expect(objectsOf(installation)).toEqual(before);
      expect(readdirSync(installation.images)).toHaveLength(1);
      expect(layerRecords(installation)).toHaveLength(1);
    });
  }

  test("an entry is a device", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    await install(installation, await offered([await appLayer(base)]));
    const [first] = appInputs({}).filter(({ entry }) => entry.path === "metadata");
    if (first === undefined) throw new Error("no entry");
    const device = { entry: { ...first.entry, path: "files/dev", size: 0, type: "character", devMajor: 1 } } as const;
    const layer = await writeLayer([...appInputs(changed), device]);
    await expect(install(installation, await offered([layer]))).rejects.toMatchObject({ code: "TAR_UNSAFE" });
  });
});

test("importImage() reads a layer whose annotations are those of the old dialect as a whole", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  await install(installation, await offered([await appLayer(base)]));
  const { blob, layer } = await appLayer(changed);
  const annotations = Object.fromEntries(
    Object.entries(layer.annotations)
      .filter(([key]) => !key.includes("tarsplit"))
      .map(([key, value]) => [key.replace("io.github.containers", "io.containers"), value]),
  );
  const old = await offered([{ blob, layer: { ...layer, annotations } }]);
  await expectLikeWhole(folder, installation, old);
  expect(old.ranges()).toEqual([]);
});
