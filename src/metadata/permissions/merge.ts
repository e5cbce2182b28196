// SPDX-License-Identifier: Apache-2.0
import { compareBytes } from "../../base/text.ts";
import { type Grants, mergeGrants } from "./grant.ts";
import type { Permissions, UsbPermissions } from "./model.ts";

type Lists = ReadonlyMap<string, readonly string[]>;

function over<K, V>(lower: ReadonlyMap<K, V>, upper: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  return new Map([...lower, ...upper]);
}

export function sortedUnion(...lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].sort(compareBytes);
}

/** A value and its denial (`!value`) push each other out. */
export function mergeValues(lower: readonly string[], upper: readonly string[]): string[] {
  const negation = (value: string) => (value.startsWith("!") ? value.slice(1) : `!${value}`);
  const pushedOut = new Set(upper.map(negation));
  return sortedUnion(
    lower.filter((value) => !pushedOut.has(value)),
    upper,
  );
}

function mergePolicies(
  lower: ReadonlyMap<string, Lists>,
  upper: ReadonlyMap<string, Lists>,
): ReadonlyMap<string, Lists> {
  const merged = new Map(lower);
  for (const [subsystem, keys] of upper) {
    const values = new Map(merged.get(subsystem));
    for (const [key, list] of keys) values.set(key, mergeValues(values.get(key) ?? [], list));
    merged.set(subsystem, values);
  }
  return merged;
}

/** A query that the upper layer hides is no longer enumerable, and the other way round. */
function mergeUsb(lower: UsbPermissions, upper: UsbPermissions): UsbPermissions {
  const without = (list: readonly string[], other: readonly string[]) => list.filter((query) => !other.includes(query));
  return {
    enumerable: sortedUnion(without(lower.enumerable, upper.hidden), upper.enumerable),
    hidden: sortedUnion(without(lower.hidden, upper.enumerable), upper.hidden),
  };
}

/** A layer that decides about x11 also decides about the older fallback-x11 of the layers below. */
function mergeSockets(lower: Grants, upper: Grants): Grants {
  const kept = new Map(lower);
  if (upper.get("x11")?.reset === true) kept.delete("fallback-x11");
  return mergeGrants(kept, upper);
}

/** Puts an upper layer of permissions over a lower one (flatpak-override(1)). */
export function mergePermissions(lower: Permissions, upper: Permissions): Permissions {
  return {
    shared: mergeGrants(lower.shared, upper.shared),
    sockets: mergeSockets(lower.sockets, upper.sockets),
    devices: mergeGrants(lower.devices, upper.devices),
    features: mergeGrants(lower.features, upper.features),
    filesystems: over(upper.filesystemsReset ? new Map() : lower.filesystems, upper.filesystems),
    filesystemsReset: lower.filesystemsReset || upper.filesystemsReset,
    persistent: sortedUnion(lower.persistent, upper.persistent),
    environment: over(lower.environment, upper.environment),
    busPolicies: {
      session: over(lower.busPolicies.session, upper.busPolicies.session),
      system: over(lower.busPolicies.system, upper.busPolicies.system),
      a11y: over(lower.busPolicies.a11y, upper.busPolicies.a11y),
    },
    policies: mergePolicies(lower.policies, upper.policies),
    usb: mergeUsb(lower.usb, upper.usb),
    limits: over(lower.limits, upper.limits),
  };
}
