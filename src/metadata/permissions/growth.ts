// SPDX-License-Identifier: Apache-2.0
import { compareBytes } from "../../base/text.ts";
import { type FilesystemMode, formatFilesystem } from "./filesystem.ts";
import type { Grant, Grants } from "./grant.ts";
import type { Permissions } from "./model.ts";
import { type Bus, busPolicies, type GrantList } from "./names.ts";

const optionOf: Readonly<Record<GrantList, string>> = {
  shared: "--share",
  sockets: "--socket",
  devices: "--device",
  features: "--allow",
};

const nothing: Grant = { allowed: false, reset: false, conditions: [] };
const given: Grant = { allowed: true, reset: true, conditions: [] };

/** What an update may bring without being a new permission. */
const harmless: Readonly<Partial<Record<GrantList, readonly string[]>>> = {
  features: ["multiarch", "per-app-dev-shm"],
};

/** What the older version counts as having: X11 whatever happens includes X11 without Wayland. */
function heldBefore(list: GrantList, grants: Grants): Grants {
  const added = [...(harmless[list] ?? []), ...(grants.get("x11")?.allowed === true ? ["fallback-x11"] : [])];
  return new Map([...grants, ...added.map((name): [string, Grant] => [name, given])]);
}

function addedGrants(list: GrantList, before: Grants, after: Grants): string[] {
  const held = heldBefore(list, before);
  return [...after].flatMap(([name, grant]) => {
    const old = held.get(name) ?? nothing;
    if (old.allowed) return [];
    if (grant.allowed) return [`${optionOf[list]}=${name}`];
    const conditions = grant.conditions.filter((condition) => !old.conditions.includes(condition));
    return conditions.map((condition) => `${optionOf[list]}-if=${name}:${condition}`);
  });
}

const modes: readonly FilesystemMode[] = ["none", "ro", "rw", "create"];

/** A path counts as held where the older version had it, or the whole host, at least as strongly. */
function addedFilesystems(before: Permissions["filesystems"], after: Permissions["filesystems"]): string[] {
  const rank = (mode: FilesystemMode | undefined) => modes.indexOf(mode ?? "none");
  const host = rank(before.get("host"));
  return [...after].flatMap(([path, mode]) =>
    rank(mode) <= Math.max(rank(before.get(path)), host) ? [] : [`--filesystem=${formatFilesystem(path, mode)}`],
  );
}

const busOption: Readonly<Record<Bus, string>> = { session: "--", system: "--system-", a11y: "--a11y-" };

function addedNames(bus: Bus, before: Permissions, after: Permissions): string[] {
  return [...after.busPolicies[bus]].flatMap(([name, policy]) => {
    const old = before.busPolicies[bus].get(name) ?? "none";
    return busPolicies.indexOf(policy) > busPolicies.indexOf(old) ? [`${busOption[bus]}${policy}-name=${name}`] : [];
  });
}

function addedPolicies(before: Permissions["policies"], after: Permissions["policies"]): string[] {
  return [...after].flatMap(([subsystem, keys]) =>
    [...keys].flatMap(([key, values]) => {
      const old = before.get(subsystem)?.get(key) ?? [];
      const added = values.filter((value) => !value.startsWith("!") && !old.includes(value));
      return added.map((value) => `--add-policy=${subsystem}.${key}=${value}`);
    }),
  );
}

function addedUsb(before: Permissions["usb"], after: Permissions["usb"]): string[] {
  return [
    ...after.enumerable.filter((query) => !before.enumerable.includes(query)).map((query) => `--usb=${query}`),
    ...before.hidden.filter((query) => !after.hidden.includes(query)).map((query) => `no longer --nousb=${query}`),
  ];
}

/**
 * What a newer version of an app may do that the older one may not, as options, sorted; empty where an update adds
 * nothing. Flatpak's rule for updates that need no consent: variables and persistent folders do not count, nor do
 * multiarch, per-app-dev-shm, and fallback-x11 after x11.
 */
export function addedPermissions(before: Permissions, after: Permissions): string[] {
  const lists: readonly GrantList[] = ["shared", "sockets", "devices", "features"];
  return [
    ...lists.flatMap((list) => addedGrants(list, before[list], after[list])),
    ...addedFilesystems(before.filesystems, after.filesystems),
    ...(["session", "system", "a11y"] as const).flatMap((bus) => addedNames(bus, before, after)),
    ...addedPolicies(before.policies, after.policies),
    ...addedUsb(before.usb, after.usb),
  ].sort(compareBytes);
}
