// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { repair } from "../../src/engine/repair.ts";
import { refFolder } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { type Damage, expectMended, type Place, place, ref } from "./repairing.ts";

function replaceIn(folder: string, name: string, make: (path: string) => void): void {
  rmSync(join(folder, name), { recursive: true, force: true });
  make(join(folder, name));
}

function inPlaceOf({ installation }: Place, name: string, make: (path: string) => void): void {
  replaceIn(installation.path, name, make);
}

function makePipe(path: string): void {
  execFileSync("mkfifo", [path]);
}

/** Folders beside the installation that look like its own; nothing in them may go. */
function linkFolders({ installation, layout }: Place): void {
  for (const name of ["objects", "layers", "images", "exports", "tmp", "pulled"]) {
    const behind = join(layout, "..", `behind-${name}`);
    mkdirSync(join(behind, "00", "0".repeat(62)), { recursive: true });
    replaceIn(installation.path, name, (path) => symlinkSync(behind, path));
  }
}

const damages: readonly Damage[] = [
  ...(["lock", "pins", "history.jsonl"] as const).flatMap((name): readonly Damage[] => [
    [`a folder in place of ${name}`, (p) => inPlaceOf(p, name, (path) => mkdirSync(path)), ["file damaged"]],
    [`a pipe in place of ${name}`, (p) => inPlaceOf(p, name, makePipe), ["file damaged"]],
    [
      `a link in place of ${name}`,
      (p) => inPlaceOf(p, name, (path) => symlinkSync("/dev/zero", path)),
      ["file damaged"],
    ],
  ]),
  ["a folder in place of the index", (p) => inPlaceOf(p, "index.sqlite", (path) => mkdirSync(path)), ["index damaged"]],
  ["a pipe in place of the index", (p) => inPlaceOf(p, "index.sqlite", makePipe), ["index damaged"]],
  [
    "pipes in place of what an image has",
    (p) => {
      for (const name of ["metadata", "objects.list", "digest"])
        inPlaceOf(p, `images/${p.deployment.commit}/${name}`, makePipe);
    },
    ["image damaged"],
  ],
  [
    "a pipe in place of a manifest",
    (p) => inPlaceOf(p, `images/${p.deployment.commit}/manifest.json`, makePipe),
    ["image damaged"],
  ],
  [
    "a pipe in place of deploy.json",
    (p) => replaceIn(p.deployment.path, "deploy.json", makePipe),
    ["deployment missing"],
  ],
  ["links in place of all folders", linkFolders, ["folder damaged", "folder foreign"]],
];

describe("repair() of an installation where something else lies in the place of files and folders", () => {
  for (const [name, damage, found] of damages) {
    test(`finds and mends ${name}`, async () => {
      await expectMended("checkout", damage, found);
    });
  }

  test("takes nothing away that lies behind a link", async () => {
    using folder = new TestFolder();
    const there = await place(folder, "composefs");
    linkFolders(there);
    const behind = join(folder.path, "behind");
    const stray = join(behind, "x86_64/stable", "0".repeat(64));
    mkdirSync(stray, { recursive: true });
    symlinkSync(behind, join(there.installation.path, "app/org.test.Link"));
    symlinkSync(stray, join(refFolder(there.installation, ref), "1".repeat(64)));
    const findings = await repair(there.installation, { dryRun: false });
    expect(findings.filter(({ mended }) => !mended)).toEqual([]);
    expect(await repair(there.installation, { dryRun: true })).toEqual([]);
    expect(existsSync(stray)).toBe(true);
    for (const name of ["objects", "layers", "images", "exports", "tmp", "pulled"]) {
      expect(existsSync(join(folder.path, `behind-${name}`, "00", "0".repeat(62)))).toBe(true);
    }
  });

  test("gives a folder that lies in the place of a lock another name, where something is in it", async () => {
    using folder = new TestFolder();
    const { installation } = await place(folder, "composefs");
    const lock = join(installation.path, "lock");
    replaceIn(installation.path, "lock", (path) => mkdirSync(join(path, "dear"), { recursive: true }));
    const dry = await repair(installation, { dryRun: true });
    expect(dry.map(({ kind, what, path, mended }) => [kind, what, path, mended])).toEqual([
      ["file", "damaged", lock, false],
    ]);
    const findings = await repair(installation, { dryRun: false });
    expect(findings.map(({ detail, mended }) => [detail, mended])).toEqual([
      [`something else lies in the place of a file; it is ${lock}.aside-1 now`, true],
    ]);
    expect(existsSync(`${lock}.aside-1/dear`)).toBe(true);
    expect(await repair(installation, { dryRun: true })).toEqual([]);
  });
});
