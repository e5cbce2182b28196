// SPDX-License-Identifier: Apache-2.0
// Updates that are made of the version before, where something of that one is missing or damaged.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repair } from "../../src/engine/repair.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { collectGarbage } from "../../src/store/garbage.ts";
import { isImageMounted } from "../../src/store/shown.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { noise } from "../formats/zstd-chunked/support.ts";
import { layerRecords, TestFolder } from "../store/images.ts";
import { askedOfLayer, type Files, Front, fetched, names, next, old, vouched } from "./deltafront.ts";

test.each([
  ["is gone", () => undefined],
  ["is no image", (path: string) => writeFileSync(path, noise(9000, 1))],
  ["is a pipe", (path: string) => execFileSync("mkfifo", [path])],
])("an update is made of the record where the mounted image of the version before %s", async (_, replace) => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const installation = folder.installation();
  const { imageDigest } = await fetched(front, installation, await vouched(folder, front, "v0", old));
  expect(isImageMounted(installation, imageDigest)).toBe(true);
  for (const commit of readdirSync(installation.images)) {
    const path = join(installation.images, commit, "image.cfs");
    rmSync(path);
    replace(path);
  }
  const last = await vouched(folder, front, "v1", next);
  const update = await fetched(front, installation, last);
  expect(update.bytes).toBeLessThan(15_000);
  expect(update.imageDigest).toBe((await fetched(front, folder.installation("whole"), last)).imageDigest);
});

test.each(["shows", "has lost"])(
  "an update brings many megabytes beside the making of its image where the version before %s its image",
  async (what) => {
    using folder = new TestFolder();
    await using front = await Front.start(folder, true);
    const installation = folder.installation();
    await fetched(front, installation, await vouched(folder, front, "v0", old));
    if (what === "has lost") {
      for (const commit of readdirSync(installation.images)) rmSync(join(installation.images, commit, "image.cfs"));
    }
    const added = Array.from({ length: 50 }, (_, at) => [`files/new/${at}`, noise(120_000, 7000 + at)] as const);
    const last = await vouched(folder, front, "v1", { ...next, ...Object.fromEntries(added) });
    const update = await fetched(front, installation, last);
    expect(askedOfLayer(front, last)).toBe(0);
    expect(update.newObjects).toBe(51);
    expect(readdirSync(installation.tmp)).toEqual([]);
    const damages = (await repair(installation, { dryRun: true })).map(({ kind }) => kind);
    expect(damages).toEqual(what === "shows" ? [] : ["image"]);
    expect(update.imageDigest).toBe((await fetched(front, folder.installation("whole"), last)).imageDigest);
  },
);

test("a damaged line of a record that updates copy is found and mended by repair", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const installation = folder.installation();
  await addRemote(installation, "test", { url: `oci+http://${front.host}` });
  const update = async (name: string, files: Files): Promise<void> => {
    const { document } = await vouched(folder, front, name, files);
    front.sent = 0;
    const image = await importImage(installation, front.repository, document);
    await deployImage(installation, image, { origin: "test", source: `docker://${front.host}/org.test.hello` });
  };
  await update("v0", old);
  for (const name of layerRecords(installation)) {
    const path = join(installation.layers, name);
    const record = readFileSync(path, "utf8");
    const damaged = record.replace(new RegExp(`(${names[5]}",[0-9]+),0,`), "$1,1,");
    expect(damaged !== record).toBe(true);
    writeFileSync(path, damaged);
  }
  await update("v1", next);
  expect(front.sent).toBeLessThan(15_000);
  await update("v2", { ...next, [names[120] ?? ""]: noise(900, 3001) });
  expect(front.sent).toBeLessThan(15_000);
  await collectGarbage(installation);
  const damages = (await repair(installation, { dryRun: true })).map(({ kind, what }) => `${kind} ${what}`);
  expect(damages).toEqual(["layer damaged", "layer damaged"]);
  expect((await repair(installation, { dryRun: false })).filter(({ mended }) => !mended)).toEqual([]);
  expect(await repair(installation, { dryRun: true })).toEqual([]);
});
