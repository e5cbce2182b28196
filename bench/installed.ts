// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { mountPoint } from "../src/store/shown.ts";
import { execute } from "./measure.ts";
import {
  appId,
  dowelCommand,
  dowelFolder,
  extendedId,
  flatpakCommand,
  flatpakFolder,
  prepareApp,
  prepareExtended,
  prepareRuntime,
  runtimeId,
  type Trees,
  work,
} from "./places.ts";

function isInstalled(installation: string, kind: "app" | "runtime", id: string): boolean {
  return existsSync(join(installation, kind, id));
}

function installInto(kind: "app" | "runtime", id: string, { layout, repository }: Trees): void {
  if (!isInstalled(dowelFolder, kind, id)) {
    execute(dowelCommand("install", "--system", "-y", `oci:${layout}`));
  }
  if (isInstalled(flatpakFolder, kind, id)) return;
  const remote = `local-${kind}`;
  const add = ["remote-add", "--system", "--if-not-exists", "--no-gpg-verify", remote, repository];
  execute(flatpakCommand(...add));
  execute(flatpakCommand("install", "--system", "-y", "--noninteractive", remote, id));
}

const removed = join(work, "removed");
let removals = 0;

/** Takes away the mounts of what Dowel has installed. */
export function unmountImages(): void {
  const folder = dirname(mountPoint(dowelFolder, "image"));
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const target = line.split(" ")[1] ?? "";
    if (target.startsWith(`${folder}/`)) execute({ words: ["umount", target] });
  }
}

/**
 * Takes a folder away, if it is there. Its files only move aside: ext4 looks for unused inodes past all that were freed in
 * the last minutes, which would make the next install slower.
 */
export function setAside(folder: string): void {
  if (!existsSync(folder)) return;
  mkdirSync(removed, { recursive: true });
  renameSync(folder, join(removed, String(++removals)));
}

/** Takes away what both peers have installed, their remotes and caches too. */
export function removeInstallations(): void {
  unmountImages();
  for (const folder of [dowelFolder, flatpakFolder, join(work, "flatpak-cache"), join(work, "cache")]) {
    setAside(folder);
    mkdirSync(folder, { mode: 0o755 });
  }
}

/** Sees to it that both peers have the runtime and the app. */
export async function installBoth(): Promise<void> {
  installInto("runtime", runtimeId, prepareRuntime());
  installInto("app", appId, prepareApp());
}

/** Sees to it that both peers have the app with ten extensions besides. */
export async function installExtended(): Promise<void> {
  await installBoth();
  const { layout, repository, refs } = prepareExtended();
  if (!isInstalled(dowelFolder, "app", extendedId)) {
    execute(dowelCommand("install", "--system", "-y", "--no-related", `oci:${layout}`, ...refs));
  }
  if (isInstalled(flatpakFolder, "app", extendedId)) return;
  execute(flatpakCommand("remote-add", "--system", "--if-not-exists", "--no-gpg-verify", "local-extended", repository));
  const install = ["install", "--system", "-y", "--noninteractive", "--no-related", "local-extended"];
  execute(flatpakCommand(...install, ...refs));
}
