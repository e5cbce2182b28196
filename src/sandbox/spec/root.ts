// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import type { SandboxImage } from "./types.ts";

const usrLinks = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];
const sysFolders = ["block", "bus", "class", "dev", "devices"];

/**
 * The parts of the root that every sandbox has: kernel file systems, links into `/usr`, `/tmp`, `/run`, `/var`. `tmp` is
 * the host's folder that becomes `/tmp`, where it is not one of the sandbox's own.
 */
export function addBase(root: RootBuilder, host: Host, runtimeLower: string, uid: number, tmp?: string): void {
  for (const name of usrLinks) {
    if (host.lookAt(`${runtimeLower}/usr/${name}`) !== undefined) root.symlink(`/${name}`, `usr/${name}`);
  }
  root.assume("/usr");
  root.special("proc", "/proc");
  for (const name of sysFolders) {
    const path = `/sys/${name}`;
    if (host.lookAt(path)?.type === "directory") root.bind(path, path, { optional: true });
  }
  if (tmp !== undefined) host.lookAt(tmp);
  if (tmp === undefined) root.tmpfs("/tmp", 0o1777);
  else root.bind(tmp, "/tmp", { access: "rw", grows: true });
  root.directory("/run/flatpak");
  root.tmpfs(`/run/user/${uid}`, 0o700);
  root.symlink("/var/run", "../run");
  root.symlink("/var/lock", "../run/lock");
  root.directory("/run/lock");
  root.file("/run/host/container-manager", "flatpak\n");
}

/** `/app`: from the app's image, or empty, with the places where debugging finds sources. */
export function addAppFolder(root: RootBuilder, app: SandboxImage | undefined): void {
  if (app === undefined) root.directory("/app");
  else root.assume("/app");
  root.symlink("/run/build", "/app/lib/debug/source");
  root.symlink("/run/build-runtime", "/usr/lib/debug/source");
}
