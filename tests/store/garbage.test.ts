// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isSound, repair } from "../../src/engine/repair.ts";
import { parseRef } from "../../src/metadata/ref.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { undeploy } from "../../src/store/deploy/undeploy.ts";
import { collectGarbage } from "../../src/store/garbage.ts";
import { visitObjects } from "../../src/store/objects/list.ts";
import { objectPath } from "../../src/store/objects/paths.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { openImage, TestFolder, writeApp } from "./images.ts";

type Installation = ReturnType<TestFolder["installation"]>;
const shared = "the same in both, and too long to lie in the image itself\n".repeat(9);

async function install(installation: Installation, folder: TestFolder, name: string): Promise<string> {
  const files = { "files/shared": shared, "files/own": `${name}\n`.repeat(100) };
  const { source, document } = await openImage(writeApp(folder, `org.test.${name}`, files));
  const image = await importImage(installation, source, document);
  await deployImage(installation, image, { origin: "test", source: "oci:test" });
  return image.commit;
}

function objectsOf(installation: Installation, commit: string): string[] {
  const digests: string[] = [];
  visitObjects(installation, commit, (digest) => digests.push(digest));
  return digests;
}

const refOf = (name: string) => parseRef(`app/org.test.${name}/x86_64/stable`);

test("collectGarbage() looks only at what dead images had, and leaves what others share", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const [kept, gone] = [await install(installation, folder, "Kept"), await install(installation, folder, "Gone")];
  const stray = objectPath(installation, "0".repeat(64));
  mkdirSync(dirname(stray), { recursive: true });
  writeFileSync(stray, "no image has this, and no import ended early\n");
  const only = objectsOf(installation, gone).filter((digest) => !objectsOf(installation, kept).includes(digest));
  expect(only.length).toBeGreaterThan(0);
  await undeploy(installation, refOf("Gone"));
  expect(await collectGarbage(installation)).toMatchObject({ images: 1, objects: only.length });
  expect(existsSync(stray)).toBe(true);
  for (const digest of objectsOf(installation, kept)) expect(existsSync(objectPath(installation, digest))).toBe(true);
  await repair(installation, { dryRun: false });
  expect(existsSync(stray)).toBe(false);
});

test("collectGarbage() finds strays after an import that ended early", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const kept = await install(installation, folder, "Kept");
  const { source, document } = await openImage(writeApp(folder, "org.test.Late", { "files/own": "late\n".repeat(99) }));
  // The objects are stored, then the image cannot be.
  rmSync(installation.images, { recursive: true });
  await expect(importImage(installation, source, document)).rejects.toMatchObject({ code: "IO" });
  mkdirSync(installation.images);
  await undeploy(installation, refOf("Kept"));
  expect(await collectGarbage(installation)).toMatchObject({ images: 0, objects: 5 });
  const left = readdirSync(installation.objects).flatMap((name) => readdirSync(join(installation.objects, name)));
  expect({ kept: kept.length, left }).toEqual({ kept: 64, left: [] });
});

test("an object of the wrong size is stored again by the next import, however images are shown", async () => {
  using folder = new TestFolder();
  for (const mode of ["mount", "checkout"] as const) {
    const installation = folder.installation(mode);
    if (mode === "checkout") Bun.spawnSync(["chmod", "775", installation.path]);
    const commit = await install(installation, folder, "Kept");
    await undeploy(installation, refOf("Kept"));
    const [digest = ""] = objectsOf(installation, commit);
    truncateSync(objectPath(installation, digest), 3);
    await install(installation, folder, "Kept");
    expect(isSound(await repair(installation, { dryRun: true }))).toBe(true);
  }
});
