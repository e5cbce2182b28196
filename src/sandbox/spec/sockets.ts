// SPDX-License-Identifier: Apache-2.0
import { basename, resolve } from "node:path";
import type { Host } from "../probe/host.ts";
import { cupsSockets, gpgAgentSockets, pulseSockets } from "./agents.ts";
import type { BindOptions, RootBuilder } from "./builder.ts";
import { findWaylandSocket } from "./conditions.ts";
import type { EnvironmentBuilder } from "./environment.ts";
import { resolveHostPath } from "./resolve.ts";
import type { SessionSpecification } from "./types.ts";
import { selectXauthority } from "./xauthority.ts";

export interface SocketContext {
  readonly root: RootBuilder;
  readonly host: Host;
  readonly environment: EnvironmentBuilder;
  /** The caller's, without links. */
  readonly home: string;
  readonly granted: (name: string) => boolean;
}

/** Binds a socket of the host, if there is one, and links it from the runtime folder by `name`. */
export function bindSocket(
  context: SocketContext,
  source: string | undefined,
  target: string,
  name?: string,
  options: Pick<BindOptions, "wayland"> = {},
): boolean {
  const resolved = source?.startsWith("/") ? resolveHostPath(context.host, source) : undefined;
  if (resolved?.type !== "socket") return false;
  if (!context.root.bind(resolved.path, target, { ...options, access: "rw", type: "file" })) return false;
  if (name !== undefined) {
    const up = name.includes("/") ? "../../.." : "../..";
    context.root.symlink(`/run/user/${context.host.identity.uid}/${name}`, `${up}${target.slice("/run".length)}`);
  }
  return true;
}

function bindFirst(context: SocketContext, sources: readonly string[], target: string, name?: string): boolean {
  return sources.some((source) => bindSocket(context, source, target, name));
}

/** A name in the caller's runtime folder. */
export function inRuntimeFolder(host: Host, name: string): string | undefined {
  const folder = host.variable("XDG_RUNTIME_DIR");
  return folder === undefined ? undefined : `${folder}/${name}`;
}

function addWayland(context: SocketContext): void {
  const { host, environment } = context;
  environment.unset("WAYLAND_SOCKET");
  environment.unset("WAYLAND_DISPLAY");
  if (!context.granted("wayland")) return;
  const source = findWaylandSocket(host);
  const own = basename(source ?? "");
  const name = /^wayland-[A-Za-z0-9_.-]+$/.test(own) ? own : "wayland-0";
  const options = { wayland: true } as const;
  if (bindSocket(context, source, `/run/flatpak/${name}`, name, options)) environment.set("WAYLAND_DISPLAY", name);
}

function addX11(context: SocketContext, given: boolean): void {
  const { root, host, environment } = context;
  environment.unset("DISPLAY");
  environment.unset("XAUTHORITY");
  // The shared /tmp of an app must not hold sockets of one instance for another.
  root.tmpfs("/tmp/.X11-unix", 0o1777);
  if (!given) return;
  const display = host.variable("DISPLAY");
  const number = display?.match(/^(?:unix)?:([0-9]+)(?:\.[0-9]+)?$/)?.[1];
  if (number === undefined || !bindSocket(context, `/tmp/.X11-unix/X${number}`, `/tmp/.X11-unix/X${number}`)) return;
  environment.set("DISPLAY", `:${number}`);
  const authority = host.variable("XAUTHORITY") ?? `${context.home}/.Xauthority`;
  const bytes = authority.startsWith("/") ? host.readBytes(authority) : undefined;
  const own = bytes === undefined ? undefined : selectXauthority(bytes, host.identity.hostname, number);
  if (own === undefined) return;
  root.data("/run/flatpak/Xauthority", own);
  environment.set("XAUTHORITY", "/run/flatpak/Xauthority");
}

/** The socket of the host's sound server, which the session service serves; undefined where there is none to serve. */
function addPulseaudio(context: SocketContext): string | undefined {
  const { root, host, environment } = context;
  for (const name of ["PULSE_SERVER", "PULSE_CLIENTCONFIG"]) environment.unset(name);
  if (!context.granted("pulseaudio")) return undefined;
  const found = pulseSockets(host, context.home, host.variable("XDG_RUNTIME_DIR"))
    .map((source) => (source.startsWith("/") ? resolveHostPath(host, source) : undefined))
    .find((one) => one?.type === "socket");
  const target = "/run/flatpak/pulse/native";
  if (found === undefined || !root.bus("pulse", target)) return undefined;
  root.symlink(`/run/user/${host.identity.uid}/pulse/native`, `../../..${target.slice("/run".length)}`);
  root.file("/run/flatpak/pulse/config", "enable-shm=no\n");
  environment.set("PULSE_SERVER", "unix:/run/flatpak/pulse/native");
  environment.set("PULSE_CLIENTCONFIG", "/run/flatpak/pulse/config");
  return found.path;
}

/** PipeWire's socket, which the session service serves; undefined where there is none, or the app has it as a file. */
function addPipewire(context: SocketContext): string | undefined {
  const { root, host, environment } = context;
  const folder = host.variable("PIPEWIRE_RUNTIME_DIR") || host.variable("XDG_RUNTIME_DIR");
  if (!context.granted("pulseaudio") || folder === undefined) return undefined;
  const source = resolve(folder, host.variable("PIPEWIRE_REMOTE") || "pipewire-0");
  const found = resolveHostPath(host, source);
  const target = "/run/flatpak/pipewire-0";
  if (found?.type !== "socket" || !root.bus("pipewire", target)) return undefined;
  for (const name of ["PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR"]) environment.unset(name);
  root.symlink(`/run/user/${host.identity.uid}/pipewire-0`, `../..${target.slice("/run".length)}`);
  return found.path;
}

function addSmallSockets(context: SocketContext): void {
  const { host, environment, granted } = context;
  environment.unset("SSH_AUTH_SOCK");
  environment.unset("PCSCLITE_CSOCK_NAME");
  if (granted("ssh-auth") && bindSocket(context, host.variable("SSH_AUTH_SOCK"), "/run/flatpak/ssh-auth")) {
    environment.set("SSH_AUTH_SOCK", "/run/flatpak/ssh-auth");
  }
  if (granted("pcsc")) {
    const source = host.variable("PCSCLITE_CSOCK_NAME") ?? "/run/pcscd/pcscd.comm";
    if (bindSocket(context, source, "/run/pcscd/pcscd.comm")) {
      environment.set("PCSCLITE_CSOCK_NAME", "/run/pcscd/pcscd.comm");
    }
  }
  if (granted("cups") && bindFirst(context, cupsSockets(host, context.home), "/run/cups/cups.sock")) {
    environment.set("CUPS_SERVER", "/run/cups/cups.sock");
  }
  if (granted("gpg-agent")) {
    const sources = gpgAgentSockets(host, context.home, host.variable("XDG_RUNTIME_DIR"));
    bindFirst(context, sources, `/run/user/${host.identity.uid}/gnupg/S.gpg-agent`);
  }
}

/**
 * The sockets that are granted and there, and their variables; what is not granted loses its variable. `fallback-x11`
 * gives X11 only where there is no Wayland. Answers the sockets of the host that the session service has to serve.
 */
export function addSockets(context: SocketContext, hasWayland: boolean): SessionSpecification["buses"] {
  const { granted } = context;
  addWayland(context);
  addX11(context, granted("fallback-x11") ? !hasWayland : granted("x11"));
  addSmallSockets(context);
  const pulse = addPulseaudio(context);
  const pipewire = addPipewire(context);
  return { ...(pulse !== undefined && { pulse }), ...(pipewire !== undefined && { pipewire }) };
}
