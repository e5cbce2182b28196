// SPDX-License-Identifier: Apache-2.0

/** The four lists of `[Context]` whose items can be conditional. */
export const grantLists = ["shared", "sockets", "devices", "features"] as const;

export type GrantList = (typeof grantLists)[number];

/** The names that each list knows (flatpak-metadata(5)). */
export const knownNames: Readonly<Record<GrantList, ReadonlySet<string>>> = {
  shared: new Set(["network", "ipc"]),
  sockets: new Set([
    "x11",
    "wayland",
    "fallback-x11",
    "pulseaudio",
    "session-bus",
    "system-bus",
    "ssh-auth",
    "pcsc",
    "cups",
    "gpg-agent",
    "inherit-wayland-socket",
  ]),
  devices: new Set(["dri", "input", "usb", "kvm", "shm", "all"]),
  features: new Set(["devel", "multiarch", "bluetooth", "canbus", "per-app-dev-shm", "userns"]),
};

/** Names of bus policies, weakest first. */
export const busPolicies = ["none", "see", "talk", "own"] as const;

export type BusPolicy = (typeof busPolicies)[number];

export type Bus = "session" | "system" | "a11y";

/** What the session service serves to a sandbox by a socket: the buses, the sound server, and PipeWire. */
export type ServedSocket = Bus | "pulse" | "pipewire";

/** Control characters could forge what a permission looks like on a terminal (CVE-2023-28101). */
export function hasControlCharacters(text: string): boolean {
  return /[\p{Cc}\u2028\u2029]/u.test(text);
}

/** Whether a text can name a peer on a bus, with `.*` at its end for all names below. */
export function isBusName(text: string): boolean {
  const name = text.endsWith(".*") ? text.slice(0, -2) : text;
  return name.length <= 255 && /^[A-Za-z_-][A-Za-z0-9_-]*(\.[A-Za-z_-][A-Za-z0-9_-]*)*$/.test(name);
}

/** Whether a text can name an environment variable. */
export function isVariableName(text: string): boolean {
  return text !== "" && !text.includes("=") && !hasControlCharacters(text);
}
