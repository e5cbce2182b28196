// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";

/** Opens a page in the user's browser, where there is a display; that it fails is not told, the address was shown. */
export function openPage(address: string, environment: Readonly<Record<string, string | undefined>>): void {
  if (!environment["WAYLAND_DISPLAY"] && !environment["DISPLAY"]) return;
  const child = spawn("xdg-open", [address], { stdio: "ignore", detached: true });
  child.once("error", () => undefined);
  child.unref();
}
