// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { parsePartialRef } from "../../src/metadata/ref.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { currentRef, findDeployments, listDeployments } from "../../src/store/deployments.ts";
import { lowerOf } from "../../src/store/shown.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { openImage, TestFolder, writeApp } from "./images.ts";

const id = "org.test.Hello";
const files = {
  "files/bin/hello:755": `#!/bin/sh\necho hello\n${"#".repeat(100)}\n`,
  "files/share/small": "tiny",
  "files/share/empty": "",
  "files/share/big": Buffer.alloc(3_000_000, "abc"),
  "files/lib/link": "-> ../share/big",
  "export/share/applications/org.test.Hello.desktop": "[Desktop Entry]\nType=Application\nName=Hello\nExec=hello %f\n",
};

test("deployImage() shows the files of the image by a composefs mount when run as root", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const { source, document } = await openImage(writeApp(folder, id, files));
  const image = await importImage(installation, source, document);
  const deployment = await deployImage(installation, image, { origin: "test", source: source.name });

  expect(deployment.shownAs).toBe("composefs");
  const shown = join(lowerOf(deployment), "app");
  expect(readlinkSync(join(deployment.path, "files"))).toBe(shown);
  expect(readFileSync(join(shown, "share/small"), "utf8")).toBe("tiny");
  expect(statSync(join(shown, "bin/hello")).mode & 0o7777).toBe(0o755);
  expect(listDeployments(installation)).toEqual([deployment]);
  expect(findDeployments(installation, parsePartialRef(`${id}//stable`))).toEqual([deployment]);
  expect(currentRef(installation, id)).toEqual(deployment.ref);
});
