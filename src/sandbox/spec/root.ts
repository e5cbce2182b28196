// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import type { Replacement, SandboxImage } from "./types.ts";

const usrLinks = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];
const sysFolders = ["block", "bus", "class", "dev", "devices"];

/** Links into `/usr`, which is the host's folder `usr`. */
export function addUsrLinks(root: RootBuilder, host: Host, usr: string): void {
  for (const name of usrLinks) {
    if (host.lookAt(`${usr}/${name}`) !== undefined) root.symlink(`/${name}`, `usr/${name}`);
  }
}

/**
 * The parts of the root that every sandbox has: kernel file systems, links into `/usr`, `/tmp`, `/run`, `/var`. `usr` is
 * the host's folder that becomes `/usr`; `shared` the one whose `tmp` and `run` become `/tmp` and `/run/user/UID`, where
 * these are not the sandbox's own.
 */
export function addBase(root: RootBuilder, host: Host, usr: string, uid: number, shared?: string): void {
  addUsrLinks(root, host, usr);
  root.special("proc", "/proc");
  for (const name of sysFolders) {
    const path = `/sys/${name}`;
    if (host.lookAt(path)?.type === "directory") root.bind(path, path, { optional: true });
  }
  const ownFolder = (name: string, target: string, mode: number) => {
    if (shared === undefined) return root.tmpfs(target, mode);
    host.lookAt(`${shared}/${name}`);
    return root.bind(`${shared}/${name}`, target, { access: "rw", grows: true });
  };
  ownFolder("tmp", "/tmp", 0o1777);
  root.directory("/run/flatpak");
  ownFolder("run", `/run/user/${uid}`, 0o700);
  root.symlink("/var/run", "../run");
  root.symlink("/var/lock", "../run/lock");
  root.directory("/run/lock");
  root.file("/run/host/container-manager", "flatpak\n");
}

function replace(root: RootBuilder, target: string, { path, distrusted }: Replacement): void {
  if (path !== undefined) root.bind(path, target, distrusted ? { distrusted } : {});
}

/** `/usr`: from the runtime's image, or another folder; then the runtime's own lies at `/run/parent/usr`. */
export function addUsrFolder(root: RootBuilder, host: Host, runtime: SandboxImage, usr: Replacement | undefined): void {
  root.assume("/usr");
  if (usr === undefined) return;
  replace(root, "/usr", usr);
  root.bind(`${runtime.lower}/usr`, "/run/parent/usr");
  for (const name of usrLinks) {
    if (host.lookAt(`${runtime.lower}/usr/${name}`) !== undefined) root.symlink(`/run/parent/${name}`, `usr/${name}`);
  }
}

/**
 * `/app`: from the app's image, another folder or empty, with the places where debugging finds sources. Where it is not
 * the app's own, that lies at `/run/parent/app`.
 */
export function addAppFolder(root: RootBuilder, app: SandboxImage | undefined, other: Replacement | undefined): void {
  if (app === undefined || other !== undefined) root.directory("/app");
  else root.assume("/app");
  if (other !== undefined) replace(root, "/app", other);
  if (app !== undefined && other !== undefined) root.bind(`${app.lower}/app`, "/run/parent/app");
  root.symlink("/run/build", "/app/lib/debug/source");
  root.symlink("/run/build-runtime", "/usr/lib/debug/source");
}
