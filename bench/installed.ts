// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execute } from "./measure.ts";
import {
  appId,
  dowelCommand,
  dowelFolder,
  flatpakCommand,
  flatpakFolder,
  prepareApp,
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

/** Takes away what both peers have installed, their remotes and caches too. */
export function removeInstallations(): void {
  if (existsSync(dowelFolder)) execute(dowelCommand("uninstall", "--system", "--all", "-y"));
  for (const folder of [dowelFolder, flatpakFolder, join(work, "flatpak-cache"), join(work, "cache")]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o755 });
  }
}

/** Sees to it that both peers have the runtime and the app. */
export async function installBoth(): Promise<void> {
  installInto("runtime", runtimeId, prepareRuntime());
  installInto("app", appId, prepareApp());
}
