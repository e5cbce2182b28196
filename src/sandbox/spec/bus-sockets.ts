// SPDX-License-Identifier: Apache-2.0
import type { Bus } from "../../metadata/permissions/names.ts";
import type { Buses } from "./buses.ts";
import { resolveHostPath } from "./resolve.ts";
import { bindSocket, inRuntimeFolder, type SocketContext } from "./sockets.ts";
import type { SessionSpecification } from "./types.ts";

/** The path in a D-Bus address such as `unix:path=/run/user/1000/bus,guid=…`. */
function busPath(address: string | undefined): string | undefined {
  const path = address?.match(/^unix:(?:[^,;]*,)*path=([^,;]+)/)?.[1];
  return path === undefined ? undefined : decodeURIComponent(path.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
}

interface Place {
  readonly variable: string;
  /** Where the host's socket is where the variable does not say. */
  readonly usual: (context: SocketContext) => readonly (string | undefined)[];
  readonly target: string;
  /** Link to it in the sandbox's runtime folder. */
  readonly name?: string;
}

const places: Readonly<Record<Bus, Place>> = {
  session: {
    variable: "DBUS_SESSION_BUS_ADDRESS",
    usual: ({ host }) => [inRuntimeFolder(host, "bus")],
    target: "/run/flatpak/bus",
    name: "bus",
  },
  system: {
    variable: "DBUS_SYSTEM_BUS_ADDRESS",
    usual: () => ["/run/dbus/system_bus_socket"],
    target: "/run/dbus/system_bus_socket",
  },
  a11y: {
    variable: "AT_SPI_BUS_ADDRESS",
    usual: ({ host }) => ["at-spi/bus", "at-spi/bus_0"].map((name) => inRuntimeFolder(host, name)),
    target: "/run/flatpak/at-spi-bus",
  },
};

/** The host's socket of a bus, without links. */
function findBus(context: SocketContext, { variable, usual }: Place): string | undefined {
  const { host } = context;
  const said = busPath(host.variable(variable));
  for (const path of said === undefined ? usual(context) : [said]) {
    const resolved = path?.startsWith("/") ? resolveHostPath(host, path) : undefined;
    if (resolved?.type === "socket") return resolved.path;
  }
  return undefined;
}

/** Shows one bus, whole or filtered; the host's socket where the session service has to serve it. */
function addBus(context: SocketContext, bus: Bus, access: Buses[Bus]["access"]): string | undefined {
  const place = places[bus];
  const { root, host, environment } = context;
  environment.unset(place.variable);
  const path = access === "none" ? undefined : findBus(context, place);
  if (path === undefined) return undefined;
  const shown = access === "whole" ? bindSocket(context, path, place.target) : root.bus(bus, place.target);
  if (!shown) return undefined;
  environment.set(place.variable, `unix:path=${place.target}`);
  if (place.name !== undefined)
    root.symlink(`/run/user/${host.identity.uid}/${place.name}`, `../..${place.target.slice("/run".length)}`);
  return access === "whole" ? undefined : path;
}

/** Shows the buses that the sandbox may use and the host has; tells which of them the session service has to serve. */
export function addBuses(
  context: SocketContext,
  buses: Buses,
  runFolder: string,
  others: SessionSpecification["buses"],
): SessionSpecification | undefined {
  const served: { -readonly [S in keyof SessionSpecification["buses"]]: SessionSpecification["buses"][S] } = {
    ...others,
  };
  for (const bus of ["session", "system", "a11y"] as const) {
    const path = addBus(context, bus, buses[bus].access);
    if (path !== undefined) served[bus] = path;
  }
  return Object.keys(served).length === 0 ? undefined : { socket: `${runFolder}/session.sock`, buses: served };
}
