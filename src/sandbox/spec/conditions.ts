// SPDX-License-Identifier: Apache-2.0
import type { Conditions } from "../../metadata/permissions/grant.ts";
import type { Host } from "../probe/host.ts";

/** The socket of the Wayland compositor, or undefined where there is none. */
export function findWaylandSocket(host: Host): string | undefined {
  const name = host.variable("WAYLAND_DISPLAY") ?? "wayland-0";
  const folder = host.variable("XDG_RUNTIME_DIR");
  const path = name.startsWith("/") ? name : folder === undefined ? undefined : `${folder}/${name}`;
  return path !== undefined && host.lookAt(path)?.type === "socket" ? path : undefined;
}

/** What conditional permissions can ask about the host; the session service has a portal for USB where the desktop has none. */
export function hostConditions(host: Host): Conditions {
  return (name) => {
    if (["true", "has-input-device", "has-usb-device", "has-usb-portal"].includes(name)) return true;
    if (name === "false") return false;
    if (name !== "has-wayland") return undefined;
    return findWaylandSocket(host) !== undefined || /^[0-9]+$/.test(host.variable("WAYLAND_SOCKET") ?? "");
  };
}
