// SPDX-License-Identifier: Apache-2.0
import type { RootBuilder } from "./builder.ts";

const triplets: Readonly<Record<string, string>> = {
  x86_64: "x86_64-linux-gnu",
  i386: "i386-linux-gnu",
  aarch64: "aarch64-linux-gnu",
  arm: "arm-linux-gnueabihf",
};

/** `/etc/ld.so.conf` of a sandbox: the app's folders before the runtime's own configuration. */
export function linkerConfiguration(arch: string): string {
  const triplet = triplets[arch];
  const lines = [
    "include /run/flatpak/ld.so.conf.d/app-*.conf",
    "include /app/etc/ld.so.conf",
    "/app/lib",
    ...(triplet === undefined ? [] : [`/app/lib/${triplet}`]),
    "include /run/flatpak/ld.so.conf.d/runtime-*.conf",
    "include /usr/etc/ld.so.conf",
  ];
  return `${lines.join("\n")}\n`;
}

/** Puts in the linker's cache that was made for these images; must come before the runtime's own `/etc`. */
export function addLinkerCache(root: RootBuilder, arch: string, cache: string): void {
  root.file("/etc/ld.so.conf", linkerConfiguration(arch));
  root.copy("/etc/ld.so.cache", cache);
}
