// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { compareBytes } from "../../base/text.ts";
import type { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { type FilesystemMode, formatFilesystem, parseFilesystem } from "./filesystem.ts";
import { formatGrants, type Grants, parseGrants } from "./grant.ts";
import { checkLimit, type LimitName, type Limits } from "./limits.ts";
import { sortedUnion } from "./merge.ts";
import type { Permissions, UsbPermissions } from "./model.ts";
import {
  type Bus,
  type BusPolicy,
  busPolicies,
  type GrantList,
  grantLists,
  hasControlCharacters,
  isBusName,
  isVariableName,
  knownNames,
} from "./names.ts";
import { parseUsbQuery } from "./usb.ts";

const context = "Context";
const environment = "Environment";
const usbDevices = "USB Devices";
const limitGroup = "Limits";
const policyPrefix = "Policy ";

const busGroups: Readonly<Record<Bus, string>> = {
  session: "Session Bus Policy",
  system: "System Bus Policy",
  a11y: "Accessibility Bus Policy",
};

function readGrants(keyfile: Keyfile, list: GrantList): Grants {
  return parseGrants(keyfile.getList(context, list) ?? [], knownNames[list]);
}

function readFilesystems(keyfile: Keyfile): Pick<Permissions, "filesystems" | "filesystemsReset"> {
  const filesystems = new Map<string, FilesystemMode>();
  let filesystemsReset = false;
  for (const item of keyfile.getList(context, "filesystems") ?? []) {
    const token = parseFilesystem(item);
    if (token === "control characters") {
      throw new DowelError(
        "PERMISSION_INVALID",
        `[Context] filesystems: ${JSON.stringify(item)} has control characters`,
      );
    }
    if (typeof token === "string") continue;
    filesystems.set(token.path, token.mode);
    filesystemsReset ||= token.reset;
  }
  return { filesystems, filesystemsReset };
}

function readPersistent(keyfile: Keyfile): string[] {
  const paths = keyfile.getList(context, "persistent") ?? [];
  const bad = paths.find((path) => hasControlCharacters(path));
  if (bad !== undefined) {
    throw new DowelError("PERMISSION_INVALID", `[Context] persistent: ${JSON.stringify(bad)} has control characters`);
  }
  return sortedUnion(paths.filter((path) => path !== "" && !path.split("/").includes("..")));
}

/** `unset-environment` wins over `[Environment]`, which holds an empty text for old versions of Flatpak. */
function readEnvironment(keyfile: Keyfile): ReadonlyMap<string, string | undefined> {
  const result = new Map<string, string | undefined>();
  for (const name of keyfile.keys(environment)) {
    if (isVariableName(name)) result.set(name, keyfile.get(environment, name));
  }
  for (const name of keyfile.getList(context, "unset-environment") ?? []) {
    if (isVariableName(name)) result.set(name, undefined);
  }
  return result;
}

function readBus(keyfile: Keyfile, bus: Bus): ReadonlyMap<string, BusPolicy> {
  const group = busGroups[bus];
  const result = new Map<string, BusPolicy>();
  for (const name of keyfile.keys(group)) {
    const policy = busPolicies.find((known) => known === keyfile.get(group, name)?.trim());
    if (policy !== undefined && isBusName(name)) result.set(name, policy);
  }
  return result;
}

function readPolicies(keyfile: Keyfile): Permissions["policies"] {
  const result = new Map<string, ReadonlyMap<string, readonly string[]>>();
  for (const group of keyfile.groups().filter((name) => name.startsWith(policyPrefix))) {
    const values = keyfile.keys(group).map((key) => [key, sortedUnion(keyfile.getList(group, key) ?? [])] as const);
    if (values.length > 0) result.set(group.slice(policyPrefix.length), new Map(values));
  }
  return result;
}

function readUsb(keyfile: Keyfile): UsbPermissions {
  const read = (key: string) => {
    const queries = keyfile.getList(usbDevices, key) ?? [];
    return sortedUnion(
      queries.map((query) => {
        const parsed = parseUsbQuery(query);
        if (parsed !== undefined) return parsed;
        throw new DowelError("PERMISSION_INVALID", `[${usbDevices}] ${key}: ${JSON.stringify(query)} is not a query`);
      }),
    );
  };
  return { enumerable: read("enumerable-devices"), hidden: read("hidden-devices") };
}

/** Limits that this version does not know are left out; a value that is none is a mistake that would bound nothing. */
function readLimits(keyfile: Keyfile): Limits {
  const result = new Map<LimitName, string>();
  for (const key of keyfile.keys(limitGroup)) {
    const value = keyfile.get(limitGroup, key)?.trim() ?? "";
    const checked = checkLimit(key, value);
    if ("name" in checked) result.set(checked.name, value);
    else if (!checked.expected.startsWith("one of")) {
      throw new DowelError(
        "PERMISSION_INVALID",
        `[${limitGroup}] ${key}: expected ${checked.expected}, found ${JSON.stringify(value)}`,
      );
    }
  }
  return result;
}

/**
 * Reads the permissions of a metadata or overrides keyfile (flatpak-metadata(5)). What this version does not know is
 * left out. Throws `PERMISSION_INVALID` for control characters and for items that no version could know.
 */
export function readPermissions(keyfile: Keyfile): Permissions {
  return {
    shared: readGrants(keyfile, "shared"),
    sockets: readGrants(keyfile, "sockets"),
    devices: readGrants(keyfile, "devices"),
    features: readGrants(keyfile, "features"),
    ...readFilesystems(keyfile),
    persistent: readPersistent(keyfile),
    environment: readEnvironment(keyfile),
    busPolicies: {
      session: readBus(keyfile, "session"),
      system: readBus(keyfile, "system"),
      a11y: readBus(keyfile, "a11y"),
    },
    policies: readPolicies(keyfile),
    usb: readUsb(keyfile),
    limits: readLimits(keyfile),
  };
}

function setList(keyfile: Keyfile, group: string, key: string, items: readonly string[]): void {
  if (items.length > 0) keyfile.setList(group, key, items);
  else keyfile.remove(group, key);
}

function filesystemItems(permissions: Permissions): string[] {
  const items = [...permissions.filesystems]
    .filter(([path, mode]) => !(permissions.filesystemsReset && path === "host" && mode === "none"))
    .map(([path, mode]) => formatFilesystem(path, mode))
    .sort(compareBytes);
  return permissions.filesystemsReset ? ["!host:reset", ...items] : items;
}

function writeEnvironment(keyfile: Keyfile, variables: Permissions["environment"]): void {
  const unset: string[] = [];
  for (const [name, value] of [...variables].sort(([left], [right]) => compareBytes(left, right))) {
    keyfile.set(environment, name, value ?? "");
    if (value === undefined) unset.push(name);
  }
  setList(keyfile, context, "unset-environment", unset);
}

/** Writes permissions into a keyfile, in place of those that it has; the inverse of `readPermissions`. */
export function writePermissions(keyfile: Keyfile, permissions: Permissions): void {
  const stale = keyfile.groups().filter((group) => group.startsWith(policyPrefix));
  for (const group of [...stale, ...Object.values(busGroups), environment, usbDevices, limitGroup])
    keyfile.removeGroup(group);
  for (const list of grantLists) setList(keyfile, context, list, formatGrants(permissions[list]));
  setList(keyfile, context, "filesystems", filesystemItems(permissions));
  setList(keyfile, context, "persistent", permissions.persistent);
  writeEnvironment(keyfile, permissions.environment);
  for (const [bus, group] of Object.entries(busGroups)) {
    const names = [...permissions.busPolicies[bus as Bus]].sort(([left], [right]) => compareBytes(left, right));
    for (const [name, policy] of names) keyfile.set(group, name, policy);
  }
  setList(keyfile, usbDevices, "enumerable-devices", permissions.usb.enumerable);
  setList(keyfile, usbDevices, "hidden-devices", permissions.usb.hidden);
  for (const [subsystem, keys] of permissions.policies) {
    for (const [key, values] of keys) keyfile.setList(`${policyPrefix}${subsystem}`, key, values);
  }
  for (const [name, value] of [...permissions.limits].sort(([left], [right]) => compareBytes(left, right))) {
    keyfile.set(limitGroup, name, value);
  }
  if (keyfile.hasGroup(context) && keyfile.keys(context).length === 0) keyfile.removeGroup(context);
}
