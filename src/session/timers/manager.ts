// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { variant } from "../../formats/dbus/types.ts";
import { launcherPath } from "../../instances/launcher.ts";
import type { HostBuses } from "../portals/buses.ts";

/** org.freedesktop.systemd1(5). */
const manager = {
  destination: "org.freedesktop.systemd1",
  path: "/org/freedesktop/systemd1",
  interface: "org.freedesktop.systemd1.Manager",
} as const;
const service = "dowel-session.service";

/** systemd.time(7), in UTC and whole seconds. */
function calendarTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Has the user's systemd start the session service at a time, when it has ended long ago. */
export class ServiceManager {
  readonly #buses: HostBuses;
  #unit: string | undefined;

  constructor(buses: HostBuses) {
    this.#buses = buses;
  }

  /** Answers whether systemd will do so; each time takes the place of the one before; undefined for none. */
  async arm(at: number | undefined): Promise<boolean> {
    const seconds = at === undefined ? undefined : Math.ceil(at / 1000);
    const unit = seconds === undefined ? undefined : `dowel-timers-${seconds}.timer`;
    if (unit === this.#unit) return unit !== undefined;
    try {
      const peer = await this.#buses.connect("session");
      const known = {
        ...manager,
        member: "GetUnitFileState",
        signature: "s",
        values: [service],
        returns: "s",
      } as const;
      await peer.call(known, { noAutoStart: true });
      const before = this.#unit;
      if (unit !== undefined && seconds !== undefined) await start(peer, unit, calendarTime(seconds));
      this.#unit = unit;
      if (before !== undefined) await stop(peer, before);
      return unit !== undefined;
    } catch (error) {
      if (!isDowelError(error)) throw error;
      return false;
    }
  }
}

async function start(peer: BusPeer, unit: string, when: string): Promise<void> {
  const properties = [
    ["Description", variant("s", "Next wake-up that an app has set")],
    ["TimersCalendar", variant("a(ss)", [["OnCalendar", when]])],
    ["AccuracyUSec", variant("t", 1_000_000n)],
    ["RemainAfterElapse", variant("b", false)],
  ];
  // A transient timer starts what has its own name alone; what that does is to want the service.
  const woken = [
    ["Wants", variant("as", [service])],
    ["Type", variant("s", "oneshot")],
    ["ExecStart", variant("a(sasb)", [[launcherPath(), ["dowel", "--version"], false]])],
    ["StandardOutput", variant("s", "null")],
    ["CollectMode", variant("s", "inactive-or-failed")],
  ];
  const values = [unit, "replace", properties, [[unit.replace(/timer$/, "service"), woken]]];
  try {
    await peer.call({ ...manager, member: "StartTransientUnit", signature: "ssa(sv)a(sa(sv))", values, returns: "o" });
  } catch (error) {
    // An earlier service has set the same.
    if (!isDowelError(error) || !("errorName" in error) || error.errorName !== "org.freedesktop.systemd1.UnitExists")
      throw error;
  }
}

async function stop(peer: BusPeer, unit: string): Promise<void> {
  try {
    await peer.call({ ...manager, member: "StopUnit", signature: "ss", values: [unit, "replace"], returns: "o" });
  } catch (error) {
    // It has elapsed, and is gone.
    if (!isDowelError(error)) throw error;
  }
}
