// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { resolveHostPath } from "./resolve.ts";
import type { SandboxImage } from "./types.ts";

const usrLinks = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];
const sysFolders = ["block", "bus", "class", "dev", "devices"];

/** The parts of the root that every sandbox has: kernel file systems, links into `/usr`, `/tmp`, `/run`, `/var`. */
export function addBase(root: RootBuilder, host: Host, runtimeLower: string, uid: number): void {
  for (const name of usrLinks) {
    if (host.lookAt(`${runtimeLower}/usr/${name}`) !== undefined) root.symlink(`/${name}`, `usr/${name}`);
  }
  root.assume("/usr");
  root.special("proc", "/proc");
  for (const name of sysFolders) {
    const path = `/sys/${name}`;
    if (host.lookAt(path)?.type === "directory") root.bind(path, path, { optional: true });
  }
  root.tmpfs("/tmp", 0o1777);
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

/** The app's own part of the caller's runtime folder, which it shares with portals and helpers of the session. */
export function addRuntimeFolder(root: RootBuilder, host: Host, id: string): void {
  const session = host.variable("XDG_RUNTIME_DIR");
  const folder = session?.startsWith("/") ? resolveHostPath(host, `${session}/app/${id}`) : undefined;
  const target = `/run/flatpak/app/${id}`;
  if (folder?.type === "directory") root.bind(folder.path, target, { access: "rw", distrusted: true });
  else root.tmpfs(target, 0o700);
  root.symlink(`/run/user/${host.identity.uid}/app`, "../../flatpak/app");
}

/** What the host's system is, and its fonts and icons, where toolkits of existing runtimes look for them. */
export function addHostData(root: RootBuilder, host: Host, home: string): void {
  const folders = [
    ["/usr/share/fonts", "/run/host/fonts"],
    ["/usr/local/share/fonts", "/run/host/local-fonts"],
    ["/var/cache/fontconfig", "/run/host/fonts-cache"],
    ["/usr/share/icons", "/run/host/share/icons"],
  ] as const;
  const osRelease = host.read("/etc/os-release") ?? host.read("/usr/lib/os-release");
  if (osRelease !== undefined) root.file("/run/host/os-release", osRelease);
  const map: string[] = [];
  for (const [source, target] of folders) {
    if (host.lookAt(source)?.type !== "directory" || !root.bind(source, target)) continue;
    if (!source.startsWith("/var")) map.push(`  <remap-dir as-path="${source}">${target}</remap-dir>`);
  }
  const userFolders = [
    [`${home}/.local/share/fonts`, "/run/host/user-fonts"],
    [`${home}/.local/share/icons`, "/run/host/user-share/icons"],
  ] as const;
  for (const [source, target] of userFolders) {
    if (host.lookAt(source)?.type === "directory") root.bind(source, target, { optional: true });
  }
  const doctype = '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">';
  root.file("/run/host/font-dirs.xml", `${[doctype, "<fontconfig>", ...map, "</fontconfig>"].join("\n")}\n`);
}
