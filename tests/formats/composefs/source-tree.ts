// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, linkSync, lutimesSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Makes a folder of some hundred files of the system and of every oddity that a file system allows. */
export function makeSourceTree(folder: string): void {
  const copied = [
    "/usr/share/zoneinfo/Europe",
    "/usr/share/perl-openssl-defaults",
    "/usr/share/bash-completion/helpers",
  ];
  const present = ["/usr/share/zoneinfo/America", "/usr/share/terminfo", "/etc/alternatives", ...copied].filter(exists);
  execFileSync("cp", ["-a", ...present, folder]);
  const at = (name: string) => join(folder, name);
  for (const size of [0, 1, 64, 65, 4096, 4097, 600_000]) {
    writeFileSync(at(`size-${size}`), Buffer.alloc(size, `content of ${size} `));
  }
  linkSync(at("size-65"), at("hard-link"));
  mkdirSync(at("folder"));
  linkSync(at("size-65"), at("folder/hard-link"));
  for (const length of [1, 4000, 4095]) symlinkSync("x".repeat(length), at(`link-${length}`));
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/odd \n\\`), Buffer.from([0xff, 0x80])]), "odd");
  for (let index = 0; index < 400; index++) writeFileSync(at(`folder/a-file-of-many-${index}`), "");
  execFileSync("mkfifo", [at("pipe")]);
  execFileSync("mknod", [at("device"), "c", "1", "3"]);
  execFileSync("mknod", [at("disk"), "b", "259", "300"]);
  chmodSync(at("size-1"), 0o4711);
  chownSync(at("size-64"), 70_000, 5);
  mkdirSync(at("ab"), { mode: 0o1777 });
  execFileSync("touch", ["-d", "@-5.25", at("size-4096")]);
  lutimesSync(at("link-1"), 1, 1.25);
  setXattrs(folder);
}

function setXattrs(folder: string): void {
  const set = (file: string, name: string, value: string) =>
    execFileSync("setfattr", ["-h", "-n", name, "-v", value, join(folder, file)]);
  for (const file of ["size-64", "size-65", "size-4097", "folder", "ab"]) set(file, "user.shared", "the same");
  set("size-4097", "user.binary", "0x00ff10");
  set("folder", "trusted.of-root", "yes");
  set("size-0", "user.empty", "");
  execFileSync("setcap", ["cap_net_bind_service=ep", join(folder, "size-600000")]);
}

function exists(path: string): boolean {
  try {
    return execFileSync("test", ["-e", path]).length === 0;
  } catch {
    return false;
  }
}
