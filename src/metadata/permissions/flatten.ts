// SPDX-License-Identifier: Apache-2.0
import type { Grant, Grants } from "./grant.ts";
import type { Permissions } from "./model.ts";
import { grantLists } from "./names.ts";

function flattenGrants(grants: Grants): Grants {
  const given = [...grants].filter(([, grant]) => grant.allowed || grant.conditions.length > 0);
  return new Map(given.map(([name, grant]): [string, Grant] => [name, { ...grant, reset: grant.allowed }]));
}

function withoutNone(policies: Permissions["busPolicies"]["session"]): Permissions["busPolicies"]["session"] {
  return new Map([...policies].filter(([, policy]) => policy !== "none"));
}

/**
 * Permissions as people want to see them once all layers are merged, as `flatpak info --show-permissions` does: no
 * denials of what nothing gives, no marks for lower layers. Conditions stay.
 */
export function withoutDenials(permissions: Permissions): Permissions {
  const [shared, sockets, devices, features] = grantLists.map((list) => flattenGrants(permissions[list]));
  const { filesystems, filesystemsReset, busPolicies } = permissions;
  const isMark = (path: string, mode: string) => filesystemsReset && path === "host" && mode === "none";
  return {
    ...permissions,
    shared: shared ?? new Map(),
    sockets: sockets ?? new Map(),
    devices: devices ?? new Map(),
    features: features ?? new Map(),
    filesystems: new Map([...filesystems].filter(([path, mode]) => !isMark(path, mode))),
    filesystemsReset: false,
    busPolicies: {
      session: withoutNone(busPolicies.session),
      system: withoutNone(busPolicies.system),
      a11y: withoutNone(busPolicies.a11y),
    },
  };
}

const none: Grants = new Map();

/** What `--sandbox` leaves of an app's permissions: multiarch, so that its code runs, variables, and limits. */
export function onlyHarmless(permissions: Permissions): Permissions {
  const multiarch = [...permissions.features].filter(([name]) => name === "multiarch");
  return {
    shared: none,
    sockets: none,
    devices: none,
    features: new Map(multiarch),
    filesystems: new Map(),
    filesystemsReset: true,
    persistent: [],
    environment: permissions.environment,
    busPolicies: { session: new Map(), system: new Map(), a11y: new Map() },
    policies: new Map(),
    usb: { enumerable: [], hidden: [] },
    limits: permissions.limits,
  };
}
