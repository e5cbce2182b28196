// SPDX-License-Identifier: Apache-2.0
// Folders of media that callers of the system service hand over, open.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { O_PATH } from "../../src/sys/beneath.ts";
import { Child } from "../support/bus.ts";
import { until } from "../support/until.ts";
import { type ChangeOutcome, install, Shop } from "./shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await Shop.open();
});
afterAll(() => shop[Symbol.asyncDispose]());

/** A layout as a user has it on a medium, with the images that the remote names. */
function medium(name: string): string {
  const folder = shop.user.path("work", name);
  cpSync(shop.layout, folder, { recursive: true });
  shop.user.own(folder);
  return folder;
}

/** What the service has open. */
function openFiles(): readonly string[] {
  const folder = `/proc/${shop.served.service.process.pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(`${folder}/${fd}`)];
    } catch {
      // It has been closed since.
      return [];
    }
  });
}

/** Asks for the install with media; neither they nor what is in them stays open in the service. */
async function installFrom(...media: readonly number[]): Promise<ChangeOutcome> {
  const held = media.map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
  try {
    return await shop.change({ ...install, accepted: shop.accepted() }, media);
  } finally {
    for (const fd of media) closeSync(fd);
    const isClosed = (): boolean => !openFiles().some((name) => held.some((path) => name.startsWith(path)));
    await until("the service has closed them", isClosed);
  }
}

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY;

test.each([
  ["a pipe", (path: string) => void execFileSync("mkfifo", [path]), constants.O_RDONLY | constants.O_NONBLOCK],
  ["a device", (path: string) => symlinkSync("/dev/zero", path), constants.O_RDONLY],
  ["what a link leads to", (path: string) => symlinkSync("/etc/shadow", path), constants.O_RDONLY],
  ["a folder that its owner need not be able to list", (path: string) => symlinkSync("/boot", path), O_PATH],
])("a descriptor of %s is refused and closed", async (_what, make, flags) => {
  const path = shop.user.path("work/descriptor");
  make(path);
  try {
    expect((await installFrom(openSync(path, flags))).error).toBe("NOT_PERMITTED");
  } finally {
    rmSync(path);
  }
  expect(shop.installed()).toBe("");
});

// Root's own here, as with allow_root every user's can be: the kernel asks a stopped process, and waits.
test.skipIf(!existsSync("/dev/fuse"))("a folder for which a process answers is refused unasked (FUSE)", async () => {
  const [below, folder] = [medium("below"), shop.user.path("work/answered")];
  mkdirSync(folder);
  await using answering = new Child(
    ["rofiles-fuse", "-f", "-o", "attr_timeout=0,entry_timeout=0", below, folder],
    ["ignore", "ignore", "ignore"],
  );
  const isMounted = (): boolean => statSync(folder).dev !== statSync(below).dev;
  await until("it is mounted", isMounted);
  const fd = openSync(folder, folderFlags);
  answering.process.kill("SIGSTOP");
  try {
    const { error, text } = await installFrom(fd);
    expect([error, text]).toEqual(["NOT_PERMITTED", expect.stringContaining("fuse")]);
  } finally {
    answering.process.kill("SIGKILL");
    await answering.exit;
    execFileSync("umount", ["--lazy", folder]);
  }
});

test("more folders than there is room for, or with a change that takes none, are refused", async () => {
  const folder = medium("many");
  const open = (): number => openSync(folder, folderFlags);
  expect((await installFrom(open(), open(), open(), open(), open())).error).toBe("LIMIT_EXCEEDED");
  const fd = open();
  expect((await shop.change({ kind: "preinstalled" }, [fd])).error).toBe("USAGE");
  closeSync(fd);
});

test.each([
  ["a pipe", (blob: string) => void execFileSync("mkfifo", [blob])],
  ["a link", (blob: string) => symlinkSync("/etc/shadow", blob)],
  ["a device", (blob: string) => void execFileSync("mknod", [blob, "c", "1", "5"])],
  ["other bytes", (blob: string) => writeFileSync(blob, "other bytes")],
])("a folder where a blob is %s: it comes from the remote instead", async (_what, make) => {
  const folder = medium("swapped");
  for (const name of readdirSync(`${folder}/blobs/sha256`)) {
    rmSync(`${folder}/blobs/sha256/${name}`);
    make(`${folder}/blobs/sha256/${name}`);
  }
  try {
    expect(await installFrom(openSync(folder, folderFlags))).toEqual({ changed: true });
    shop.served.host.succeed(["repair", "--system", "--dry-run"]);
  } finally {
    rmSync(folder, { recursive: true });
    shop.uninstallAll();
  }
});

test("a folder whose parts are links leads nowhere", async () => {
  const folder = medium("linked");
  renameSync(`${folder}/blobs`, shop.user.path("work/elsewhere"));
  symlinkSync(shop.user.path("work/elsewhere"), `${folder}/blobs`);
  try {
    const descriptor = openSync(folder, folderFlags);
    expect(await installFrom(descriptor)).toEqual({ changed: true });
  } finally {
    shop.uninstallAll();
  }
});

test("a folder that its owner changes all the time does no harm", async () => {
  const folder = medium("moving");
  const other = medium("other");
  for (const name of readdirSync(`${other}/blobs/sha256`)) writeFileSync(`${other}/blobs/sha256/${name}`, "swapped");
  // renameat2(2) with RENAME_EXCHANGE, as mv(1) of coreutils 9.5 would, but many times over
  const script = `import ctypes, sys
libc = ctypes.CDLL(None)
while True: libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)`;
  await using _swapper = new Child(
    ["python3", "-c", script, `${folder}/blobs/sha256`, `${other}/blobs/sha256`],
    ["ignore", "ignore", "ignore"],
  );
  for (let round = 0; round < 3; round++) {
    expect(await installFrom(openSync(folder, folderFlags))).toEqual({ changed: true });
    expect(JSON.parse(shop.served.host.succeed(["repair", "--system", "--dry-run", "--json"]))).toEqual([]);
    shop.uninstallAll();
  }
});
