// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import type { Installation } from "../../src/store/installation.ts";
import { chooseShownAs } from "../../src/store/probe.ts";
import { hasSealedImages } from "../../src/store/seal.ts";
import { ensureShown, hideImage, isMounted, lowerOf, mountAll } from "../../src/store/shown.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { unmount } from "../../src/sys/mounts.ts";
import { openImage, TestFolder, writeApp } from "./images.ts";

const size = 30_000;
const content = Buffer.alloc(size, "abc");

async function install(folder: TestFolder, installation: Installation, id: string, big: Uint8Array) {
  const { source, document } = await openImage(writeApp(folder, id, { "files/big": big }));
  const image = await importImage(installation, source, document);
  return await deployImage(installation, image, { origin: "test", source: source.name });
}

/** The object with the content of `files/big`. */
function objectOf(installation: Installation): string {
  const all = readdirSync(installation.objects).flatMap((first) =>
    readdirSync(join(installation.objects, first)).map((rest) => join(installation.objects, first, rest)),
  );
  return all.find((path) => statSync(path).size === size) ?? "";
}

test.each([
  ["is shorter", content.subarray(0, 100)],
  ["is empty", new Uint8Array(0)],
  ["is longer", Buffer.concat([content, content])],
  ["is missing", undefined],
])("an image of which an object %s is never read as something else, and the others are shown", async (_, instead) => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const deployment = await install(folder, installation, "org.test.Hello", content);
  const other = await install(folder, installation, "org.test.Other", Buffer.alloc(100, "z"));
  const read = async (): Promise<Buffer> => {
    await ensureShown(deployment);
    return readFileSync(join(lowerOf(deployment), "app/big"));
  };
  expect((await read()).equals(content)).toBe(true);
  for (const { imageDigest } of [deployment, other]) hideImage(installation, imageDigest);
  const object = objectOf(installation);
  const { mode } = statSync(object);
  rmSync(object);
  if (instead !== undefined) writeFileSync(object, instead, { mode });
  // Where the file system has fs-verity the kernel refuses the file, else Dowel the mount.
  await expect(read()).rejects.toThrow();
  hideImage(installation, deployment.imageDigest);
  await mountAll(installation).catch(() => undefined);
  expect(isMounted(lowerOf(other))).toBe(true);
  expect(readFileSync(join(lowerOf(other), "app/big"), "latin1")).toBe("z".repeat(100));
  if (hasSealedImages(installation)) return;
  await expect(ensureShown(deployment)).rejects.toMatchObject({ code: "STORE_INVALID" });
  expect(isMounted(lowerOf(deployment))).toBe(false);
  rmSync(object, { force: true });
  writeFileSync(object, content, { mode });
  expect((await read()).equals(content)).toBe(true);
});

test("chooseShownAs() takes checkouts on an overlay, over which the kernel does not put two more", () => {
  using folder = new TestFolder();
  expect(chooseShownAs(folder.installation("plain"))).toBe("composefs");
  const [lower, changes, work, top] = ["lower", "changes", "work", "top"].map((name) => join(folder.path, name));
  for (const path of [lower, changes, work, top]) mkdirSync(path ?? "");
  execFileSync("mount", [
    "-t",
    "overlay",
    "-o",
    `lowerdir=${lower},upperdir=${changes},workdir=${work}`,
    "none",
    `${top}`,
  ]);
  try {
    expect(chooseShownAs(folder.installation("top/store"))).toBe("checkout");
  } finally {
    unmount(`${top}`);
  }
  // What was found does not count for another file system in the same place.
  expect(chooseShownAs(folder.installation("top/store"))).toBe("composefs");
});
