// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { deployedCommits } from "../../src/store/deployments.ts";
import { keptVersions } from "../../src/store/settings.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { openImage, TestFolder, writeApp } from "./images.ts";

const id = "org.test.Hello";

test("keptVersions() is one unless remotes.conf says otherwise, and refuses what is no number", () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const path = join(installation.path, "remotes.conf");
  expect(keptVersions(installation)).toBe(1);
  for (const [text, kept] of [
    ["", 1],
    ["[core]\n", 1],
    ["[core]\nxa.keep-versions=0\n", 0],
    ["[core]\nxa.keep-versions=7\n", 7],
  ] as const) {
    writeFileSync(path, text);
    expect(keptVersions(installation)).toBe(kept);
  }
  for (const text of ["-1", "many", "1e3", "101"]) {
    writeFileSync(path, `[core]\nxa.keep-versions=${text}\n`);
    expect(() => keptVersions(installation)).toThrow("must be a number from 0 to 100");
  }
});

test("deployImage() keeps as many versions as the installation says, or its caller", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const commits: string[] = [];
  const deploy = async (version: number, keepVersions?: number): Promise<void> => {
    const { source, document } = await openImage(writeApp(folder, id, { "files/version": `${version}` }));
    const image = await importImage(installation, source, document);
    commits.push(image.commit);
    await deployImage(installation, image, { origin: "test", source: "oci:test", keepVersions });
  };
  const kept = (): number[] => {
    const ref = { kind: "app", id, arch: "x86_64", branch: "stable" } as const;
    return deployedCommits(installation, ref)
      .map((commit) => commits.indexOf(commit))
      .sort();
  };
  writeFileSync(join(installation.path, "remotes.conf"), "[core]\nxa.keep-versions=2\n");
  for (const version of [0, 1, 2, 3]) await deploy(version);
  expect(kept()).toEqual([1, 2, 3]);
  await deploy(4, 3);
  expect(kept()).toEqual([1, 2, 3, 4]);
  await deploy(5);
  expect(kept()).toEqual([3, 4, 5]);
  await deploy(6, 0);
  expect(kept()).toEqual([6]);
});
