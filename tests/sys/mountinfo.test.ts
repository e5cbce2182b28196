// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mediumOf } from "../../src/sys/medium.ts";
import { type Mount, mountOf, readMounts } from "../../src/sys/mountinfo.ts";

function mount(target: string, more: Partial<Mount> = {}): Mount {
  const device = { device: 0x801, type: "ext4", source: "/dev/sda1" };
  return { id: target, ...device, root: "/", target, writable: true, ...more };
}

test("mountOf() finds the mount that a path lies on, and what covers it", () => {
  const mounts = [mount("/"), mount("/mnt/stick"), mount("/home"), mount("/mnt", { id: "cover" })];
  expect(mountOf("/mnt/stick/a", mounts)?.id).toBe("cover");
  expect(mountOf("/homes", mounts)?.id).toBe("/");
  expect(mountOf("/home", mounts)?.id).toBe("/home");
});

test("mediumOf() takes no notice of the file systems of / and of the home folder, and asks no other machine", () => {
  const server = { device: 0x30, type: "nfs4", source: "server:/export" };
  const own = { device: 0x31, type: "fuse.own", source: "own" };
  const mounts = [mount("/"), mount("/home/ann", own), mount("/mnt/nothing", server), mount("/again")];
  const find = (path: string) => mediumOf(path, "/home/ann", mounts);
  expect([find("/srv/x"), find("/home/ann/x"), find("/again/x")]).toEqual([undefined, undefined, undefined]);
  const identity = "nfs4:server:/export";
  expect(find("/mnt/nothing/x")).toEqual({ identity, isRemote: true, device: undefined, link: undefined });
});

test("readMounts() gives devices as stat(2) does, and names with spaces as they are", () => {
  const folder = mkdtempSync(join(tmpdir(), "dowel-mounts-"));
  const target = join(folder, "a b\\c");
  mkdirSync(target);
  execFileSync("mount", ["-t", "tmpfs", "the source", target]);
  try {
    const found = readMounts().find((one) => one.target === target);
    expect(found).toMatchObject({ device: statSync(target).dev, type: "tmpfs", source: "the source" });
    expect(mediumOf(target, "/")).toMatchObject({ identity: "tmpfs:the source", device: statSync(target).dev });
    expect(mediumOf(join(target, "none"), "/")?.device).toBeUndefined();
  } finally {
    execFileSync("umount", [target]);
    rmSync(folder, { recursive: true });
  }
});
