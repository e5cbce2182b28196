// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../../../src/oci/digest.ts";
import { loadImage, treeOf } from "../../../src/store/image/stored.ts";
import { treeAnnotation, treeDigest, viewAnnotation, viewDigest } from "../../../src/store/image/voucher.ts";
import type { Installation } from "../../../src/store/installation.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { noise, type Written } from "../../formats/zstd-chunked/support.ts";
import { layerRecords, TestFolder } from "../images.ts";
import { type Answers, appLayer, type Offer, offer, relabelled } from "./chunked.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function offered(layer: Written, answers?: Answers): Promise<Offer> {
  const made = await offer([layer], answers);
  closers.push(made.close);
  return made;
}

async function install(installation: Installation, { source, document }: Offer) {
  return await importImage(installation, await source(), await document());
}

const many = Array.from({ length: 40 }, (_, at) => [`files/lib/${at}`, noise(20_000 + at * 500, at + 1)] as const);
const base = Object.fromEntries(many);
const changed = { ...base, "files/lib/7": noise(23_500, 999), "files/small": "tiny and new", "export/small": "new" };

type Annotation = typeof treeAnnotation | typeof viewAnnotation;
type Truth = Readonly<Record<Annotation | "shown", string>>;

/** What can be said of a layer, and the digest of the image that an installation without anything else shows. */
async function truth(folder: TestFolder, layer: Written): Promise<Truth> {
  const fresh = folder.installation("fresh");
  const { imageDigest, commit, view } = await install(fresh, await offered(layer));
  const root = treeOf(fresh, [layer.layer.diffId as Digest], join(fresh.images, commit));
  if (root === undefined) throw new Error("no record");
  return { [treeAnnotation]: treeDigest(root), [viewAnnotation]: viewDigest(view, imageDigest), shown: imageDigest };
}

/** Makes a table say that two files of one size have each other's contents. */
function swapped(toc: string): string {
  const digest = (name: string) => new RegExp(`"name":"${name}".*?"digest":"(.*?)"`).exec(toc)?.[1] ?? "";
  const [one, two] = [digest("files/one"), digest("files/two")];
  return toc.replace(one, "?").replace(two, one).replace("?", two);
}

describe.each([treeAnnotation, viewAnnotation] as const)(
  "importImage() of a zstd:chunked layer that the manifest vouches for by %s",
  (by) => {
    test("fetches no tar-split data, and gives the image that the whole layer gives", async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const layer = await appLayer(changed);
      const { [by]: said, shown } = await truth(folder, layer);
      await install(installation, await offered(await appLayer(base)));
      const to = await offered(layer, { annotations: { [by]: said } });
      expect((await install(installation, to)).imageDigest).toBe(shown);
      const [, size = 0] = (layer.layer.annotations["io.github.containers.zstd-chunked.manifest-position"] ?? "").split(
        ":",
      );
      expect(to.ranges().length).toBe(2);
      expect(to.sent()).toBeLessThan(Number(size) + 30_000);
    });

    test("keeps the record of the layer for that image alone, where it can be loaded", async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const layer = await appLayer(changed);
      const { [by]: said } = await truth(folder, layer);
      await install(installation, await offered(await appLayer(base)));
      const records = layerRecords(installation);
      const image = await install(installation, await offered(layer, { annotations: { [by]: said } }));
      expect(layerRecords(installation)).toEqual(records);
      expect(loadImage(installation, image.commit)?.imageDigest).toBe(image.imageDigest);
      const plain = await install(installation, await offered(layer));
      expect(plain.imageDigest).toBe(image.imageDigest);
      expect(layerRecords(installation)).toHaveLength(2);
    });

    test("writes the record anew where it is gone", async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const layer = await appLayer(changed);
      const { [by]: said } = await truth(folder, layer);
      await install(installation, await offered(await appLayer(base)));
      const { commit } = await install(installation, await offered(layer, { annotations: { [by]: said } }));
      const record = readdirSync(join(installation.images, commit)).find((name) => name.startsWith("record-"));
      const path = join(installation.images, commit, record ?? "");
      const before = readFileSync(path, "utf8");
      rmSync(path);
      expect(loadImage(installation, commit)).toBeUndefined();
      await install(installation, await offered(layer, { annotations: { [by]: said } }));
      expect(readFileSync(path, "utf8")).toBe(before);
    });

    test("does not believe a manifest whose tree is another", async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const layer = await appLayer(changed);
      const { [by]: said, shown } = await truth(folder, layer);
      await install(installation, await offered(await appLayer(base)));
      expect(
        (await install(installation, await offered(layer, { annotations: { [by]: said.replaceAll(/\w/g, "0") } })))
          .imageDigest,
      ).toBe(shown);
    });

    test.each([
      ["makes a file executable", (toc: string) => toc.replace('"mode":420', '"mode":493')],
      ["names another file", (toc: string) => toc.replace('"files/small"', '"files/smell"')],
      ["names another file to export", (toc: string) => toc.replace('"export/small"', '"export/smell"')],
      ["has no metadata", (toc: string) => toc.replace('"metadata"', '"netadata"')],
    ])("refuses a table that %s, which the manifest does not say", async (_, lie) => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const layer = await appLayer(changed);
      const { [by]: said } = await truth(folder, layer);
      await install(installation, await offered(await appLayer(base)));
      const lying = install(installation, await offered(relabelled(layer, lie), { annotations: { [by]: said } }));
      await expect(lying).rejects.toMatchObject({ code: "ZSTD_CHUNKED_INVALID" });
      expect(readdirSync(installation.images)).toHaveLength(1);
      expect(layerRecords(installation)).toHaveLength(1);
    });

    test("is not deceived by what the table of another image said of its contents", async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const twins = { "files/one": noise(30_000, 501), "files/two": noise(30_000, 502) };
      const evil = relabelled(await appLayer({ ...base, ...twins }), swapped);
      await install(installation, await offered(evil));
      const layer = await appLayer({ ...changed, ...twins });
      const { [by]: said, shown } = await truth(folder, layer);
      expect((await install(installation, await offered(layer, { annotations: { [by]: said } }))).imageDigest).toBe(
        shown,
      );
    });
  },
);
