// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A Debian system that a virtual machine starts; its disk is never written to. */
export interface Machine {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

const suite = "trixie";
const mirror = "http://deb.debian.org/debian";
/** systemd with sessions of users, a kernel with fs-verity, and what the tests in the machine call. */
const packages = [
  ...["systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "polkitd"],
  ...["linux-image-cloud-amd64", "initramfs-tools", "zstd", "kmod", "util-linux", "procps", "fsverity", "attr"],
];

/** Runs the tests from the second disk once the machine is up, and switches it off. */
const unit = `[Unit]
Description=Tests
After=multi-user.target systemd-logind.service dbus.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mount -o ro /dev/vdb /mnt && exec bash /mnt/guest/main.sh'
ExecStopPost=/bin/systemctl poweroff --force
StandardInput=null
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS1
`;

const words = [
  "--mode=root",
  "--variant=minbase",
  '--aptopt=Acquire::Languages "none"',
  '--aptopt=Acquire::Retries "3"',
  ...["doc", "man", "locale", "info"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
  `--include=${packages.join(",")}`,
  // Only what is needed to find the disk; the kernel has ext4 itself.
  '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"',
  '--essential-hook=printf "MODULES=list\\nCOMPRESS=zstd\\n" > "$1/etc/initramfs-tools/conf.d/vm"',
  '--essential-hook=echo virtio_blk > "$1/etc/initramfs-tools/modules"',
  '--customize-hook=chroot "$1" useradd --create-home --shell /bin/bash tester',
  `--customize-hook=printf '%s' '${unit.replaceAll("'", `'\\''`)}' > "$1/etc/systemd/system/tests.service"`,
  '--customize-hook=mkdir -p "$1/etc/systemd/system/graphical.target.wants"',
  '--customize-hook=ln -s ../tests.service "$1/etc/systemd/system/graphical.target.wants/tests.service"',
  '--customize-hook=chroot "$1" systemctl mask systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer getty@tty1.service serial-getty@ttyS0.service',
];

/** Makes the machine, or takes the one that an earlier run left in the folder. */
export function prepareMachine(folder: string): Machine {
  const key = createHash("sha256")
    .update(JSON.stringify([suite, words]))
    .digest("hex")
    .slice(0, 12);
  const place = join(folder, key);
  const machine = { disk: join(place, "disk.img"), kernel: join(place, "vmlinuz"), initrd: join(place, "initrd.img") };
  if (existsSync(place)) return machine;
  mkdirSync(folder, { recursive: true });
  const staged = mkdtempSync(join(folder, "making-"));
  try {
    const root = join(staged, "root");
    // In a mount namespace of its own: what is mounted for the packages must not stay behind.
    const before = ["--mount", "--propagation=private", "mmdebstrap"];
    execFileSync("unshare", [...before, ...words, suite, root, mirror], { stdio: "inherit" });
    for (const name of ["vmlinuz", "initrd.img"]) {
      const found = readdirSync(join(root, "boot")).find((file) => file.startsWith(`${name}-`)) ?? name;
      renameSync(join(root, "boot", found), join(staged, name));
    }
    makeDisk(join(staged, "disk.img"), root, "2G");
    rmSync(root, { recursive: true });
    renameSync(staged, place);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
  return machine;
}

/** A file with an ext4 file system, with fs-verity, that holds what a folder holds. */
export function makeDisk(file: string, folder: string, size: string): void {
  rmSync(file, { force: true });
  execFileSync("mkfs.ext4", ["-q", "-b", "4096", "-O", "verity", "-d", folder, file, size]);
}
