// SPDX-License-Identifier: Apache-2.0
import { isValidId } from "../../metadata/ref.ts";

/** One folder below `share/` that apps may export from. */
export interface ExportRule {
  /** Relative to the prefix, as `share/applications`. */
  readonly folder: string;
  readonly suffixes: readonly string[];
  /** Whether files in subfolders count, as in icon themes. */
  readonly deep: boolean;
  /** Names must be D-Bus names that the app owns, not just begin with its id. */
  readonly exact: boolean;
  /** How the content is made fit for the host. */
  readonly content: "desktop" | "service" | "search-provider" | "mime" | "icon" | "plain";
  /** Where the files go, if not to `folder`. */
  readonly target?: string;
}

/** What Flatpak exports; nothing else leaves an app: no systemd units, no programs but the generated one. */
export const exportRules: readonly ExportRule[] = [
  { folder: "share/applications", suffixes: [".desktop"], deep: true, exact: false, content: "desktop" },
  { folder: "share/icons", suffixes: [".svg", ".svgz", ".png", ".ico"], deep: true, exact: false, content: "icon" },
  { folder: "share/dbus-1/services", suffixes: [".service"], deep: false, exact: true, content: "service" },
  {
    folder: "share/gnome-shell/search-providers",
    suffixes: [".ini"],
    deep: false,
    exact: false,
    content: "search-provider",
  },
  { folder: "share/krunner/dbusplugins", suffixes: [".desktop"], deep: false, exact: false, content: "desktop" },
  { folder: "share/mime/packages", suffixes: [".xml"], deep: false, exact: false, content: "mime" },
  {
    folder: "share/metainfo/releases",
    suffixes: [".releases.xml"],
    deep: false,
    exact: false,
    content: "plain",
  },
  { folder: "share/metainfo", suffixes: [".xml"], deep: false, exact: false, content: "plain" },
  {
    folder: "share/appdata",
    suffixes: [".xml"],
    deep: false,
    exact: false,
    content: "plain",
    target: "share/metainfo",
  },
];

/** The part of a file name before one of the suffixes; undefined where it has none of them, or nothing before it. */
export function stem(name: string, suffixes: readonly string[]): string | undefined {
  const suffix = suffixes.find((candidate) => name.endsWith(candidate));
  return suffix === undefined || name.length === suffix.length ? undefined : name.slice(0, -suffix.length);
}

/**
 * Whether an app may export a name. `ID` itself, and `ID` followed by anything that does not continue its last
 * element: `ID-settings`, `ID.Tool`; not `IDfoo` or `ID_foo`.
 */
export function isOwnName(name: string, id: string): boolean {
  if (!name.startsWith(id)) return false;
  return !/^[A-Za-z0-9_]/.test(name.slice(id.length));
}

/**
 * The name under which people may call an app's command, beside its id; undefined where the command has none that is
 * safe, or one that another app could have as its id.
 */
export function commandName(command: string | undefined, id: string): string | undefined {
  const name = command?.slice(command.lastIndexOf("/") + 1) ?? "";
  return /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/.test(name) && name !== id && !isValidId(name) ? name : undefined;
}

/**
 * Whether an app may own a D-Bus name: `ID`, `ID.*`, and what its metadata lets it own (`NAME`, `NAME.*`). The
 * services that it exports are named like that.
 */
export function isOwnBusName(name: string, id: string, owned: readonly string[]): boolean {
  if (name === id || isBelow(name, id)) return true;
  return owned.some((pattern) =>
    pattern.endsWith(".*") ? name === pattern.slice(0, -2) || isBelow(name, pattern.slice(0, -2)) : name === pattern,
  );
}

function isBelow(name: string, prefix: string): boolean {
  return (
    name.startsWith(`${prefix}.`) &&
    /^[A-Za-z_-][A-Za-z0-9_-]*(\.[A-Za-z_-][A-Za-z0-9_-]*)*$/.test(name.slice(prefix.length + 1))
  );
}
