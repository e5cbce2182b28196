// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Descriptor, makeFoldersBeneath, openBeneath } from "../../src/sys/beneath.ts";
import { syncFileSystem, writeFileDurably } from "../../src/sys/durability.ts";
import { lockFile } from "../../src/sys/locks.ts";
import { listMounts, mountComposefs, unmount } from "../../src/sys/mounts.ts";
import { createSealedFile } from "../../src/sys/process.ts";
import { FileSizes } from "../../src/sys/sizes.ts";
import { canHaveVerity, enableVerity, measureVerity } from "../../src/sys/verity.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-sys-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const openFolder = constants.O_RDONLY | constants.O_DIRECTORY;

describe("openBeneath()", () => {
  test("refuses links and escapes", () => {
    mkdirSync(join(folder, "root/inner"), { recursive: true });
    symlinkSync("/etc", join(folder, "root/link"));
    using root = Descriptor.open(join(folder, "root"), openFolder);
    closeSync(openBeneath(root.fd, "inner", openFolder));
    expect(() => openBeneath(root.fd, "link/passwd", constants.O_RDONLY)).toThrow("ELOOP");
    expect(() => openBeneath(root.fd, "link", constants.O_RDONLY)).toThrow("ELOOP");
    expect(() => openBeneath(root.fd, "../root", openFolder)).toThrow("EXDEV");
    expect(() => openBeneath(root.fd, "/etc", openFolder)).toThrow("EXDEV");
    expect(() => openBeneath(root.fd, "missing", openFolder)).toThrow("ENOENT");
  });
});

describe("makeFoldersBeneath()", () => {
  test("makes what is missing and follows no link", () => {
    mkdirSync(join(folder, "home"));
    mkdirSync(join(folder, "secret"));
    using home = Descriptor.open(join(folder, "home"), openFolder);
    makeFoldersBeneath(home, [".var", "app", "org.x.Y", "cache"], 0o700)[Symbol.dispose]();
    expect(readdirSync(join(folder, "home/.var/app/org.x.Y"))).toEqual(["cache"]);
    symlinkSync("../../../../secret", join(folder, "home/.var/app/org.x.Y/data"));
    expect(() => makeFoldersBeneath(home, [".var", "app", "org.x.Y", "data", "pwned"], 0o700)).toThrow(/ELOOP|ENOTDIR/);
    expect(readdirSync(join(folder, "secret"))).toEqual([]);
  });
});

describe("lockFile()", () => {
  test("makes a file that nobody but its owner can lock", async () => {
    const path = join(folder, "own");
    using lock = await lockFile(path, { exclusive: true });
    expect(lock).toBeDefined();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("excludes other processes until it is let go", async () => {
    const path = join(folder, "lock");
    const holder = spawn("flock", ["-x", path, "sh", "-c", "echo held; read line"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    expect(await lockFile(path, { exclusive: true, waitMilliseconds: 0 })).toBeUndefined();
    const waiting = lockFile(path, { exclusive: true });
    holder.stdin.end("\n");
    using lock = await waiting;
    expect(lock).toBeDefined();
    expect(await lockFile(path, { exclusive: false, waitMilliseconds: 0 })).toBeUndefined();
  });

  test("ends waiting when cancelled", async () => {
    const path = join(folder, "lock-cancel");
    using held = await lockFile(path, { exclusive: true });
    expect(held).toBeDefined();
    const controller = new AbortController();
    const waiting = lockFile(path, { exclusive: true, signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toThrow("cancelled");
  });
});

test("writeFileDurably() replaces a file and leaves nothing beside it", () => {
  const path = join(folder, "durable/file");
  mkdirSync(join(folder, "durable"));
  writeFileDurably(path, "one");
  writeFileDurably(path, "two");
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(readdirSync(join(folder, "durable"))).toEqual(["file"]);
  syncFileSystem(path);
});

test("createSealedFile() makes a file that cannot be written", () => {
  const fd = createSealedFile("test", Buffer.from("plan"));
  expect(readFileSync(`/proc/self/fd/${fd}`, "utf8")).toBe("plan");
  expect(() => writeFileSync(`/proc/self/fd/${fd}`, "changed")).toThrow();
  closeSync(fd);
});

describe("mountComposefs()", () => {
  test("shows an image and leaves no mount when it fails", () => {
    const at = (name: string) => join(folder, "mounts", name);
    for (const name of ["tree/sub", "objects", "target"]) mkdirSync(at(name), { recursive: true });
    writeFileSync(at("tree/sub/file"), "content");
    execFileSync("mkfs.erofs", ["--quiet", at("image"), at("tree")]);
    mountComposefs({ image: at("image"), objects: at("objects"), target: at("target"), verity: false });
    try {
      expect(readFileSync(at("target/sub/file"), "utf8")).toBe("content");
      expect(listMounts().filter(({ target }) => target === at("target"))).toEqual([
        { target: at("target"), type: "overlay" },
      ]);
    } finally {
      unmount(at("target"));
    }
    mkdirSync(at("memory"));
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", at("memory")]);
    try {
      execFileSync("cp", [at("image"), at("memory/image")]);
      mountComposefs({ image: at("memory/image"), objects: at("objects"), target: at("target"), verity: false });
      expect(readFileSync(at("target/sub/file"), "utf8")).toBe("content");
      unmount(at("target"));
      expect(execFileSync("losetup", ["-l"], { encoding: "utf8" })).not.toContain(at("memory/image"));
    } finally {
      unmount(at("memory"));
    }
    writeFileSync(at("broken"), Buffer.alloc(8192));
    expect(() =>
      mountComposefs({ image: at("broken"), objects: at("objects"), target: at("target"), verity: false }),
    ).toThrow();
    expect(listMounts().some(({ target }) => target === at("target"))).toBe(false);
  });
});

describe("enableVerity()", () => {
  test("answers the digest of the content, or that the file system cannot", () => {
    const path = join(folder, "verity");
    writeFileSync(path, "hello world");
    expect(measureVerity(path)).toBeUndefined();
    const can = canHaveVerity(path);
    const digest = enableVerity(path);
    expect(can).toBe(digest !== undefined);
    expect(canHaveVerity(path)).toBe(can);
    // The kernel of tests/vm has fs-verity; most others have not.
    if (digest === undefined) expect(readFileSync(path, "utf8")).toBe("hello world");
    else expect(digest).toBe("1e2eaa4202d750a41174ee454970b92c1bc2f925b1e35076d8c7d5f56362ba64");
    expect(measureVerity(path)).toBe(digest);
  });

  test("follows no link and waits for no pipe", () => {
    symlinkSync("verity", join(folder, "link-to-verity"));
    expect(() => enableVerity(join(folder, "link-to-verity"))).toThrow("ELOOP");
    execFileSync("mkfifo", [join(folder, "pipe")]);
    expect(measureVerity(join(folder, "pipe"))).toBeUndefined();
  });
});

test("FileSizes knows the sizes of files, and of nothing else", () => {
  const path = join(folder, "sizes");
  mkdirSync(join(path, "below"), { recursive: true });
  writeFileSync(join(path, "below/some"), "four");
  writeFileSync(join(path, "large"), "");
  truncateSync(join(path, "large"), 2 ** 33 + 5);
  symlinkSync("nowhere", join(path, "dangling"));
  symlinkSync("dangling-too", join(path, "dangling-too"));
  using sizes = new FileSizes(path);
  expect(["below/some", "large", "below", "missing", "large/x", "dangling"].map((name) => sizes.of(name))).toEqual([
    4,
    2 ** 33 + 5,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect([sizes.of("belowsome", 5), sizes.of("belowsome", 4), sizes.of("below/some", 5)]).toEqual([
    sizes.of("below/some"),
    undefined,
    sizes.of("below/some"),
  ]);
  expect(() => sizes.of("dangling-too")).toThrow("ELOOP");
  expect(() => new FileSizes(join(path, "missing"))).toThrow("ENOENT");
});
