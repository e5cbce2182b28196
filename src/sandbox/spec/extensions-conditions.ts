// SPDX-License-Identifier: Apache-2.0
import { splitRelativePath } from "../../base/paths.ts";
import type { Host } from "../probe/host.ts";

/** Drivers by the last part of an extension's id: `$FLATPAK_GL_DRIVERS`, else the host's NVIDIA version and the usual two. */
export function activeGlDrivers(host: Host): readonly string[] {
  const chosen = host.variable("FLATPAK_GL_DRIVERS");
  if (chosen !== undefined && chosen !== "") return chosen.split(":");
  const version = host.read("/sys/module/nvidia/version")?.trim();
  const isVersion = version !== undefined && /^[0-9]+(\.[0-9]+)*$/.test(version);
  return [...(isVersion ? [`nvidia-${version.replaceAll(".", "-")}`] : []), "default", "host"];
}

/** The theme that the user's GTK settings name; undefined where they name none. */
function activeGtkTheme(host: Host): string | undefined {
  const home = host.variable("HOME") ?? "/";
  const folders = [host.variable("XDG_CONFIG_HOME") ?? `${home}/.config`, "/etc"];
  const files = folders.flatMap((folder) => [`${folder}/gtk-4.0/settings.ini`, `${folder}/gtk-3.0/settings.ini`]);
  for (const file of files) {
    const theme = /^\s*gtk-theme-name\s*=\s*(.+?)\s*$/m.exec(host.read(file) ?? "")?.[1];
    if (theme !== undefined) return theme;
  }
  return undefined;
}

/** Loaded modules and built-in ones that show in sysfs; `-` and `_` are the same in their names. */
function hasKernelModule(host: Host, name: string): boolean {
  const folder = name.replaceAll("-", "_");
  return splitRelativePath(folder)?.length === 1 && host.lookAt(`/sys/module/${folder}`) !== undefined;
}

function isOnDesktop(host: Host, name: string): boolean {
  const desktops = host.variable("XDG_CURRENT_DESKTOP")?.split(":") ?? [];
  return desktops.some((desktop) => desktop.toLowerCase() === name.toLowerCase());
}

function afterPrefix(text: string, prefix: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
}

function holds(host: Host, id: string, condition: string): boolean {
  const name = id.slice(id.lastIndexOf(".") + 1);
  if (condition === "active-gl-driver") return activeGlDrivers(host).includes(name);
  if (condition === "active-gtk-theme") return activeGtkTheme(host) === name;
  if (condition === "have-intel-gpu") return ["i915", "xe"].some((module) => hasKernelModule(host, module));
  const module = afterPrefix(condition, "have-kernel-module-");
  if (module !== undefined) return hasKernelModule(host, module);
  const desktop = afterPrefix(condition, "on-xdg-desktop-");
  return desktop !== undefined && isOnDesktop(host, desktop);
}

/**
 * Whether any of the conditions of `enable-if`, `download-if` or `autoprune-unless` holds for an extension; without any
 * the answer is `otherwise`. One that is unknown never holds (flatpak-metadata(5)).
 */
export function meetsConditions(host: Host, id: string, conditions: readonly string[], otherwise: boolean): boolean {
  if (conditions.length === 0) return otherwise;
  return conditions.some((condition) => holds(host, id, condition));
}
