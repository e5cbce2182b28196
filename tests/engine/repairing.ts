// SPDX-License-Identifier: Apache-2.0
import { expect } from "bun:test";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { repair } from "../../src/engine/repair.ts";
import { parseRef } from "../../src/metadata/ref.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { activeDeployment } from "../../src/store/deployments.ts";
import type { Installation } from "../../src/store/installation.ts";
import { lowerOf } from "../../src/store/shown.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import type { Deployment } from "../../src/store/types.ts";
import { describeTree, type Files, openImage, TestFolder, writeApp } from "../store/images.ts";

export const id = "org.test.Hello";
export const ref = parseRef(`app/${id}/x86_64/stable`);
export const big = "b".repeat(5000);
export const files: Files = {
  "files/bin/hello:755": `#!/bin/sh\n${"#".repeat(200)}\n`,
  "files/share/same": `#!/bin/sh\n${"#".repeat(200)}\n`,
  "files/share/big": big,
  "files/share/small": "tiny",
  "files/lib/link": "-> ../share/big",
  "export/share/applications/org.test.Hello.desktop": "[Desktop Entry]\nType=Application\nName=x\nExec=hello\n",
};

export interface Place {
  readonly installation: Installation;
  readonly layout: string;
  deployment: Deployment;
}

export async function deploy(installation: Installation, layout: string): Promise<Deployment> {
  const { source, document } = await openImage(layout);
  const image = await importImage(installation, source, document);
  return await deployImage(installation, image, { origin: "test", source: `oci:${layout}` });
}

export async function place(folder: TestFolder, shownAs: "composefs" | "checkout"): Promise<Place> {
  const installation = folder.installation();
  if (shownAs === "checkout") chmodSync(installation.path, 0o775);
  const layout = writeApp(folder, id, files);
  const deployment = await deploy(installation, layout);
  expect(deployment.shownAs).toBe(shownAs);
  return { installation, layout, deployment };
}

/** What is done to an installation, and the findings that tell so, as `KIND WHAT`. */
export type Damage = readonly [name: string, damage: (place: Place) => void, found: readonly string[]];

/** Does a damage to a new installation, and expects that it is found, and that a repair leaves nothing of it. */
export async function expectMended(
  shownAs: "composefs" | "checkout",
  damage: (place: Place) => void,
  found: readonly string[],
): Promise<void> {
  using folder = new TestFolder();
  const there = await place(folder, shownAs);
  const { installation, layout } = there;
  damage(there);
  const dry = await repair(installation, { dryRun: true });
  for (const one of found) expect(dry.map(({ kind, what }) => `${kind} ${what}`)).toContain(one);
  expect(dry.some(({ mended }) => mended)).toBe(false);
  const warnings: string[] = [];
  const report = (event: { readonly type: string; readonly text?: string }): void => {
    if (event.type === "warning") warnings.push(event.text ?? "");
  };
  const findings = await repair(installation, { dryRun: false, report });
  expect(warnings).toEqual([]);
  expect(findings.filter(({ mended }) => !mended)).toEqual([]);
  expect(await repair(installation, { dryRun: true })).toEqual([]);
  const deployment = activeDeployment(installation, ref);
  expect(deployment?.origin).toBe("test");
  const shown = join(lowerOf(deployment as Deployment), "app");
  expect(describeTree(shown, "%P %y %l")).toBe(describeTree(layout.replace(/layout$/, "tree/files"), "%P %y %l"));
  const link = join(installation.exports, "share/applications", `${id}.desktop`);
  expect(readFileSync(link, "utf8")).toContain("Exec=");
}
