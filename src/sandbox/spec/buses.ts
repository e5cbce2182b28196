// SPDX-License-Identifier: Apache-2.0
import { isWellKnownName } from "../../formats/dbus/names.ts";
import type { Permissions } from "../../metadata/permissions/model.ts";
import type { Bus } from "../../metadata/permissions/names.ts";
import type { BusOptions, BusSpecification } from "./types.ts";

export type Buses = Readonly<Record<Bus, BusSpecification>>;

interface BusInput {
  /** Undefined for a runtime alone, which owns no names. */
  readonly id: string | undefined;
  readonly sandboxed: boolean;
  readonly permissions: Permissions;
  readonly granted: (socket: string) => boolean;
  readonly options: BusOptions;
}

const nothing: Omit<BusSpecification, "log"> = {
  access: "none",
  see: [],
  talk: [],
  own: [],
  ask: [],
  calls: [],
  broadcasts: [],
};

/** What every app needs to be seen and used by assistive technologies, and no more (the interfaces of AT-SPI). */
const registry = "org.a11y.atspi.Registry";
const a11yCalls = [
  "org.a11y.atspi.Socket.Embed@/org/a11y/atspi/accessible/root",
  "org.a11y.atspi.Socket.Unembed@/org/a11y/atspi/accessible/root",
  "org.a11y.atspi.Registry.GetRegisteredEvents@/org/a11y/atspi/registry",
  ...["GetKeystrokeListeners", "GetDeviceEventListeners", "NotifyListenersSync", "NotifyListenersAsync"].map(
    (name) => `org.a11y.atspi.DeviceEventController.${name}@/org/a11y/atspi/registry/deviceeventcontroller`,
  ),
].map((rule) => `${registry}=${rule}`);
const a11yBroadcasts = ["EventListenerRegistered", "EventListenerDeregistered"].map(
  (name) => `${registry}=org.a11y.atspi.Registry.${name}@/org/a11y/atspi/registry`,
);

function named(permissions: Permissions, bus: Bus): Pick<BusSpecification, "see" | "talk" | "own"> {
  const policies = [...permissions.busPolicies[bus]];
  const list = (wanted: string) =>
    policies
      .filter(([, policy]) => policy === wanted)
      .map(([name]) => name)
      .sort();
  return { see: list("see"), talk: list("talk"), own: list("own") };
}

/** `[Policy services]` `use=`: services of other apps that it would use; a name with `!` takes one back. */
function askedServices({ policies }: Permissions): readonly string[] {
  const names = policies.get("services")?.get("use") ?? [];
  return names.filter((name) => isWellKnownName(name) && !names.includes(`!${name}`)).sort();
}

function sessionBus({ id, sandboxed, permissions, granted, options }: BusInput): Omit<BusSpecification, "log"> {
  if (granted("session-bus")) return { ...nothing, access: "whole" };
  if (id === undefined || !(options.session ?? !sandboxed)) return nothing;
  const lists = named(permissions, "session");
  const own = sandboxed ? [`${id}.Sandboxed.*`] : [`${id}.*`, `org.mpris.MediaPlayer2.${id}.*`];
  return {
    access: "filtered",
    ...lists,
    own: [...own, ...lists.own],
    ask: sandboxed ? [] : askedServices(permissions),
    calls: ["org.freedesktop.portal.*=*"],
    broadcasts: ["org.freedesktop.portal.*=@/org/freedesktop/portal/*"],
  };
}

function systemBus({ permissions, granted }: BusInput): Omit<BusSpecification, "log"> {
  if (granted("system-bus")) return { ...nothing, access: "whole" };
  const lists = named(permissions, "system");
  const count = lists.see.length + lists.talk.length + lists.own.length;
  return count === 0 ? nothing : { ...nothing, access: "filtered", ...lists };
}

function a11yBus({ id, sandboxed, permissions, options }: BusInput): Omit<BusSpecification, "log"> {
  if (id === undefined || !(options.a11y ?? !sandboxed)) return nothing;
  const calls = [...a11yCalls, `${id}.Sandboxed.*=org.a11y.atspi.Socket.Embedded`];
  return { ...nothing, access: "filtered", ...named(permissions, "a11y"), calls, broadcasts: a11yBroadcasts };
}

/** What the sandbox may do on each bus (flatpak-run(1), xdg-dbus-proxy(1)). */
export function describeBuses(input: BusInput): Buses {
  const log = (bus: Bus) => ({ log: input.options.log.includes(bus) });
  return {
    session: { ...sessionBus(input), ...log("session") },
    system: { ...systemBus(input), ...log("system") },
    a11y: { ...a11yBus(input), ...log("a11y") },
  };
}

const silent: BusSpecification = { ...nothing, log: false };

/** For what runs without any bus. */
export const noBuses: Buses = { session: silent, system: silent, a11y: silent };
