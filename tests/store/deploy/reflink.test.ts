// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { deployImage } from "../../../src/store/deploy/deploy.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { openImage, TestFolder, writeApp } from "../images.ts";

const hasXfs = readFileSync("/proc/filesystems", "utf8").includes("xfs");
const content = Buffer.alloc(2_000_000, "a content with two modes, ");

test.skipIf(!hasXfs)(
  "a content that a checkout needs with two modes is on the disk once (needs a kernel with xfs)",
  async () => {
    using folder = new TestFolder();
    const image = join(folder.path, "disk.img");
    execFileSync("truncate", ["-s", "320M", image]);
    execFileSync("mkfs.xfs", ["-q", image]);
    mkdirSync(join(folder.path, "disk"));
    execFileSync("mount", ["-o", "loop", image, join(folder.path, "disk")]);
    const installation = folder.installation("disk/store");
    // What others may write to is never mounted.
    chmodSync(installation.path, 0o775);
    const layout = writeApp(folder, "org.test.Hello", { "files/bin/tool:755": content, "files/share/tool": content });
    const { source, document } = await openImage(layout);
    const deployment = await deployImage(installation, await importImage(installation, source, document), {
      origin: "test",
      source: source.name,
    });
    expect(deployment.shownAs).toBe("checkout");
    const paths = ["bin/tool", "share/tool"].map((path) => join(deployment.path, "files", path));
    expect(new Set(paths.map((path) => statSync(path).ino)).size).toBe(2);
    for (const path of paths) {
      const extents = execFileSync("filefrag", ["-s", "-v", path], { encoding: "utf8" });
      expect(extents).toMatch(/\bshared\b/);
    }
  },
);
