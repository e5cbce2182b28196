// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parsePartialRef, parseRef } from "../../../src/metadata/ref.ts";
import { deployImage } from "../../../src/store/deploy/deploy.ts";
import { undeploy } from "../../../src/store/deploy/undeploy.ts";
import {
  activeDeployment,
  currentRef,
  deployedCommits,
  findDeployments,
  listDeployments,
} from "../../../src/store/deployments.ts";
import { collectGarbage } from "../../../src/store/garbage.ts";
import type { Installation } from "../../../src/store/installation.ts";
import { ensureShown, isMounted, lowerOf, mountAll } from "../../../src/store/shown.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { unmount } from "../../../src/sys/mounts.ts";
import { describeTree, type Files, openImage, TestFolder, writeApp } from "../images.ts";

const id = "org.test.Hello";
const ref = parseRef(`app/${id}/x86_64/stable`);
const program = `#!/bin/sh\necho hello\n${"#".repeat(100)}\n`;
const files: Files = {
  "files/bin/hello:755": program,
  "files/share/same": program,
  "files/share/small": "tiny",
  "files/share/empty": "",
  "files/share/big": Buffer.alloc(3_000_000, "abc"),
  "files/share/ünïcode näme": "u".repeat(100),
  "files/lib/link": "-> ../share/big",
  "files/lib/dangling": "-> /nowhere",
};

async function install(installation: Installation, layout: string) {
  const { source, document } = await openImage(layout);
  const image = await importImage(installation, source, document);
  return await deployImage(installation, image, { origin: "test", source: source.name });
}

/** An installation that others may write to, so that its images are never mounted. */
function sharedInstallation(folder: TestFolder): Installation {
  const installation = folder.installation();
  chmodSync(installation.path, 0o775);
  return installation;
}

describe("deployImage()", () => {
  test("shows the image by a composefs mount that equals the source, as root", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const layout = writeApp(folder, id, files);
    const deployment = await install(installation, layout);
    expect(deployment.shownAs).toBe("composefs");
    const shown = join(lowerOf(deployment), "app");
    expect(readlinkSync(join(deployment.path, "files"))).toBe(shown);
    const format = "%P %y %m %U %G %T@ %l";
    const withoutFraction = (text: string) => text.replace(/(\d{10})\.\d+/g, "$1");
    const source = layout.replace(/layout$/, "tree/files");
    expect(withoutFraction(describeTree(shown, format))).toBe(withoutFraction(describeTree(source, format)));
    expect(listDeployments(installation)).toEqual([deployment]);
    expect(findDeployments(installation, parsePartialRef(`${id}//stable`))).toEqual([deployment]);
    expect(findDeployments(installation, parsePartialRef(`${id}//beta`))).toEqual([]);
    expect(currentRef(installation, id)).toEqual(ref);
  });

  test("shows the image by hard links where a user could write the installation", async () => {
    using folder = new TestFolder();
    const installation = sharedInstallation(folder);
    const layout = writeApp(folder, id, files);
    const deployment = await install(installation, layout);
    expect(deployment.shownAs).toBe("checkout");
    const shown = join(lowerOf(deployment), "app");
    expect(describeTree(shown, "%P %y %l")).toBe(describeTree(layout.replace(/layout$/, "tree/files"), "%P %y %l"));
    expect(execFileSync(join(deployment.path, "files/bin/hello"), { encoding: "utf8" })).toBe("hello\n");
    const modes = ["bin/hello", "share/same", "share/small", "share/empty"].map(
      (path) => statSync(join(shown, path)).mode & 0o7777,
    );
    expect(modes).toEqual([0o555, 0o444, 0o444, 0o444]);
    expect(lstatSync(join(shown, "share/big")).nlink).toBe(2);
  });

  test("shares equal files of two deployments", async () => {
    using folder = new TestFolder();
    const installation = sharedInstallation(folder);
    const first = await install(installation, writeApp(folder, id, files));
    const second = await install(installation, writeApp(folder, "org.test.Other", files));
    const inode = (path: string) => statSync(join(path, "files/share/big")).ino;
    expect(inode(second.path)).toBe(inode(first.path));
    expect(statSync(join(first.path, "files/share/same")).ino).toBe(
      statSync(join(second.path, "files/share/same")).ino,
    );
  });

  test("keeps the deployment before and drops older ones", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const commits: string[] = [];
    for (const version of ["1", "2", "3"]) {
      commits.push((await install(installation, writeApp(folder, id, { ...files, "files/version": version }))).commit);
    }
    expect(deployedCommits(installation, ref).sort()).toEqual(commits.slice(1).sort());
    expect(activeDeployment(installation, ref)?.commit).toBe(commits[2] ?? "");
  });

  test("leaves a deployment of the same commit where it is", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const layout = writeApp(folder, id, files);
    const first = await install(installation, layout);
    const again = await install(installation, layout);
    expect(again.commit).toBe(first.commit);
    expect(deployedCommits(installation, ref)).toEqual([first.commit]);
    expect(readFileSync(join(again.path, "files/share/small"), "utf8")).toBe("tiny");
  });

  test("changes nothing when an export is not allowed (CVE-2021-21381)", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const good = await install(installation, writeApp(folder, id, files));
    const evil = {
      ...files,
      [`export/share/applications/${id}.desktop`]: "[Desktop Entry]\nExec=a @@ /etc/passwd @@\n",
    };
    await expect(install(installation, writeApp(folder, id, evil))).rejects.toMatchObject({ code: "EXPORT_INVALID" });
    expect(listDeployments(installation)).toEqual([good]);
    expect(deployedCommits(installation, ref)).toEqual([good.commit]);
    expect(readdirSync(installation.tmp)).toEqual([]);
  });

  test("changes nothing when the disk is full", async () => {
    using folder = new TestFolder();
    const small = join(folder.path, "small");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", small]);
    const installation = folder.installation("small/store");
    const first = await install(installation, writeApp(folder, id, files));
    const { source, document } = await openImage(writeApp(folder, id, { ...files, "files/version": "2" }));
    const image = await importImage(installation, source, document);
    const filler = join(small, "filler");
    execFileSync("sh", ["-c", `dd if=/dev/zero of=${filler} bs=4096 2>/dev/null || true`]);
    const options = { origin: "test", source: source.name };
    await expect(deployImage(installation, image, options)).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(listDeployments(installation)).toEqual([first]);
    expect(deployedCommits(installation, ref)).toEqual([first.commit]);
    expect(readdirSync(installation.tmp)).toEqual([]);
    rmSync(filler);
    expect((await deployImage(installation, image, options)).commit).toBe(image.commit);
  });

  test("makes a new branch the current one, and an update not", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    await install(installation, writeApp(folder, id, files, "stable"));
    await install(installation, writeApp(folder, id, files, "beta"));
    expect(currentRef(installation, id)?.branch).toBe("beta");
    await install(installation, writeApp(folder, id, { ...files, "files/new": "1" }, "stable"));
    expect(currentRef(installation, id)?.branch).toBe("beta");
  });

  test("can be read all the time while it replaces", async () => {
    using folder = new TestFolder();
    const installation = sharedInstallation(folder);
    await install(installation, writeApp(folder, id, files));
    let done = false;
    const change = (async () => {
      for (let version = 0; version < 5; version++) {
        await install(installation, writeApp(folder, id, { ...files, "files/version": String(version) }));
      }
      done = true;
    })();
    let reads = 0;
    while (!done) {
      const [deployment] = listDeployments(installation);
      expect(deployment?.ref).toEqual(ref);
      expect(readFileSync(join(deployment?.path ?? "", "files/share/small"), "utf8")).toBe("tiny");
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await change;
    expect(reads).toBeGreaterThan(3);
  });
});

describe("ensureShown()", () => {
  test("does not mount an image that somebody changed", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const deployment = await install(installation, writeApp(folder, id, files));
    unmount(lowerOf(deployment));
    const image = join(installation.images, deployment.commit, "image.cfs");
    const bytes = readFileSync(image);
    writeFileSync(image, Buffer.concat([bytes, Buffer.alloc(1)]));
    await expect(ensureShown(deployment)).rejects.toMatchObject({ code: "STORE_INVALID" });
    writeFileSync(image, bytes);
    chmodSync(installation.images, 0o777);
    await expect(ensureShown(deployment)).rejects.toMatchObject({ code: "NOT_PERMITTED" });
    expect(isMounted(lowerOf(deployment))).toBe(false);
  });

  test("mounts again after a boot, for all deployments or one", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const deployment = await install(installation, writeApp(folder, id, files));
    const target = lowerOf(deployment);
    unmount(target);
    expect(existsSync(join(deployment.path, "files/bin/hello"))).toBe(false);
    await ensureShown(deployment);
    await ensureShown(deployment);
    expect(isMounted(target)).toBe(true);
    unmount(target);
    expect(isMounted(target)).toBe(false);
    expect(await mountAll(installation)).toBe(1);
    expect(isMounted(target)).toBe(true);
  });
});

describe("undeploy()", () => {
  test("removes deployments and exports; the other branch becomes current", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const exported = `share/applications/${id}.desktop`;
    const withExport = { ...files, [`export/${exported}`]: "[Desktop Entry]\nExec=hello\n" };
    await install(installation, writeApp(folder, id, withExport, "beta"));
    await install(installation, writeApp(folder, id, withExport, "stable"));
    const entry = join(installation.exports, exported);
    expect(readlinkSync(entry)).toBe(`../../../app/${id}/current/active/export/${exported}`);
    expect(readFileSync(entry, "utf8")).toContain("--branch=stable");

    await undeploy(installation, ref);
    expect(currentRef(installation, id)?.branch).toBe("beta");
    expect(readFileSync(entry, "utf8")).toContain("--branch=beta");

    await undeploy(installation, { ...ref, branch: "beta" });
    expect(readdirSync(installation.exports)).toEqual([]);
    expect(listDeployments(installation)).toEqual([]);
    expect(readdirSync(join(installation.path, "app"))).toEqual([]);
    await expect(undeploy(installation, ref)).rejects.toMatchObject({ code: "NOT_INSTALLED" });
  });
});

describe("collectGarbage()", () => {
  test("removes images, objects and mounts that nothing needs, and only those", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const kept = await install(
      installation,
      writeApp(folder, "org.test.Kept", { "files/big": files["files/share/big"] ?? "" }),
    );
    const gone = await install(installation, writeApp(folder, id, files));
    expect(await collectGarbage(installation)).toMatchObject({ images: 0, objects: 0 });
    await undeploy(installation, ref);
    expect(isMounted(lowerOf(gone))).toBe(true);
    const result = await collectGarbage(installation);
    // program, the file with the long name, metadata; the big file stays
    expect(result).toMatchObject({ images: 1, objects: 3 });
    expect(existsSync(lowerOf(gone))).toBe(false);
    expect(readdirSync(installation.images)).toEqual([kept.commit]);
    expect(readdirSync(installation.layers)).toHaveLength(1);
    expect(readFileSync(join(kept.path, "files/big"), "latin1")).toBe("abc".repeat(1_000_000));
    await undeploy(installation, kept.ref);
    await collectGarbage(installation);
    expect(readdirSync(installation.layers)).toEqual([]);
  });
});
