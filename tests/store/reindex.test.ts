// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isSound, repair } from "../../src/engine/repair.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import type { Installation } from "../../src/store/installation.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { noise } from "../formats/zstd-chunked/support.ts";
import { TestFolder } from "./images.ts";
import { appLayer, type Offer, offer } from "./transfer/chunked.ts";

async function deploy(installation: Installation, { source, document }: Offer): Promise<void> {
  const image = await importImage(installation, await source(), await document());
  await deployImage(installation, image, { origin: "test", source: "docker://127.0.0.1/some/app" });
}

/** Two versions of an app; one large file of the second is changed in its midst. */
async function versions(): Promise<readonly [Offer, Offer]> {
  const large = noise(1_500_000, 1);
  const files = Object.fromEntries([2, 3, 4].map((seed) => [`files/${seed}`, noise(30_000, seed)]));
  const changed = new Uint8Array(large);
  changed.set([1, 2, 3], 700_000);
  const small = { "files/small": "a few bytes" };
  const layers = [large, changed].map((body) => appLayer({ ...files, ...small, "files/large": body }));
  const [first, second] = await Promise.all(layers.map(async (layer) => await offer([await layer])));
  if (first === undefined || second === undefined) throw new Error("unreachable");
  return [first, second];
}

const damages: Readonly<Record<string, (path: string) => void>> = {
  lost: (path) => rmSync(path),
  "another file": (path) => writeFileSync(path, "not a database\n".repeat(500)),
};

for (const [name, damage] of Object.entries(damages)) {
  for (const how of ["by itself", "by repair"] as const) {
    test(`an index that is ${name} is made anew ${how}, and an update fetches no more than with the old one`, async () => {
      using folder = new TestFolder();
      const [first, second] = await versions();
      const [kept, broken] = [folder.installation("kept"), folder.installation("broken")];
      await deploy(kept, first);
      await deploy(kept, second);
      const expected = second.sent();
      await deploy(broken, first);
      const path = join(broken.path, "index.sqlite");
      for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
      damage(path);
      if (how === "by repair") {
        const found = await repair(broken, { dryRun: true });
        expect(found).toEqual([expect.objectContaining({ kind: "index", path, mended: false })]);
        expect(isSound(found)).toBe(true);
        expect(await repair(broken, { dryRun: false })).toEqual([expect.objectContaining({ path, mended: true })]);
        expect(await repair(broken, { dryRun: true })).toEqual([]);
      }
      await deploy(broken, second);
      expect(second.sent() - expected).toBe(expected);
      expect(expected).toBeLessThan(500_000);
      await first.close();
      await second.close();
    });
  }
}
