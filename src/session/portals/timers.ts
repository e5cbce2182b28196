// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { valueAs, variant } from "../../formats/dbus/types.ts";
import { dataName } from "../../metadata/profile.ts";
import { type Timer, timerNamePattern } from "../timers/plan.ts";
import { detailsOf, secondsOf } from "../timers/wake.ts";
import type { CallingApp } from "./app.ts";
import { portalErrors } from "./errors.ts";
import { permitOnce } from "./permit.ts";
import { definePortal, desktopPortal, type Options, type PortalCall } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument, textOf } from "./texts.ts";

const shape = {
  name: "org.dowel.portal.Timers",
  methods: {
    Set: { in: "s name, a{sv} options", out: "o handle" },
    Remove: { in: "s name", out: "" },
    List: { in: "", out: "a{sa{sv}} timers" },
  },
  signals: { Fired: "s name, a{sv} details" },
  properties: { version: "u", MinimumInterval: "u", MaximumTimers: "u" },
} as const satisfies InterfaceShape;

const defaultAccuracySeconds = 60;

function nameOf(name: string): string {
  if (timerNamePattern.test(name)) return name;
  throw invalidArgument("A timer's name has 1 to 64 letters, digits, '_', '-' and '.'");
}

function secondsIn(options: Options, key: string, type: "u" | "x"): number | undefined {
  const found = options.get(key);
  const seconds = valueAs(type, found);
  if (seconds === undefined && found !== undefined) throw invalidArgument(`${key} must be seconds, of type '${type}'`);
  return seconds === undefined ? undefined : Number(seconds);
}

/** Reads what `Set` asks for. Throws `InvalidArgument`. Pure. */
function parseTimer(name: string, options: Options, now: number): Timer {
  const seconds = secondsIn(options, "interval", "u");
  const interval = seconds === undefined ? undefined : seconds * 1000;
  if (interval !== undefined && interval < limits.timerIntervalMilliseconds) {
    throw invalidArgument(`interval must be at least ${limits.timerIntervalMilliseconds / 1000} seconds`);
  }
  const at = secondsIn(options, "at", "x");
  const due = at === undefined ? now + (interval ?? 0) : at * 1000;
  if (at === undefined && interval === undefined) throw invalidArgument("There must be at, interval or both");
  if (due < 0 || due - now > limits.timerAheadMilliseconds) throw invalidArgument("That time is too far away");
  // One that returns is at its first time as it is at all others: no further away than its interval.
  if (interval !== undefined && due - now > interval) throw invalidArgument("at must be within the first interval");
  const accuracy = secondsIn(options, "accuracy", "u") ?? defaultAccuracySeconds;
  const most = limits.timerAccuracyMilliseconds / 1000;
  if (accuracy > most) throw invalidArgument(`accuracy is at most ${most} seconds`);
  const data = textOf(options, "data");
  if (Buffer.byteLength(data) > limits.timerDataBytes) {
    throw invalidArgument(`data has at most ${limits.timerDataBytes} bytes`);
  }
  return { name: nameOf(name), due, interval, accuracy: accuracy * 1000, data };
}

/** Under which name the app's timers are kept. What runs without its app's permissions must not have it started with them. */
function ownerOf(app: CallingApp): string {
  const info = app.info();
  if (!info.hasGroup("Application") || info.getBoolean("Instance", "sandbox") === true) {
    throw new BusCallError(portalErrors.notAllowed, "Only apps with all their permissions have timers");
  }
  return dataName(app.id, info.get("Instance", "profile"));
}

function describe({ due, interval, accuracy, data }: Timer) {
  return new Map([
    ...detailsOf({ due, data }),
    ["accuracy", variant("u", accuracy / 1000)] as const,
    ...(interval === undefined ? [] : [["interval", variant("u", interval / 1000)] as const]),
  ]);
}

/** Wakes apps that do not run (`src/session/README.md` says how). */
export function timersPortal(services: BackendServices) {
  const { timers, decide } = services;
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    let listens = false;
    /** A connection that has called is told from then on. */
    const known = ({ app }: PortalCall): string => {
      const owner = ownerOf(app);
      if (!listens) timers.listen(owner, (timer) => emit(shape, "Fired", [timer.name, detailsOf(timer)]), ended);
      listens = true;
      return owner;
    };
    return {
      methods: {
        Set(call, name, options) {
          const owner = known(call);
          const timer = parseTimer(name, options, Date.now());
          const question = { reason: textOf(options, "reason"), title: `Let ${call.app.id} start by itself at times?` };
          timers.checkRoom(owner, name);
          const work = async (signal: AbortSignal) => {
            const runs = (await decide(call.app, "background", "background", "yes")) !== "no";
            if (!runs || !(await permitOnce(services, call.app, ["timers", "timers"], "ask", question, signal))) {
              return { response: 1 } as const;
            }
            await timers.set(owner, timer);
            return { response: 0, results: new Map([["due", variant("x", secondsOf(timer.due))]]) } as const;
          };
          return [call.request(options, work)];
        },
        async Remove(call, name) {
          const owner = known(call);
          timers.checkRoom(owner);
          if (await timers.remove(owner, nameOf(name))) return [];
          throw new BusCallError(portalErrors.notFound, "The app has no such timer");
        },
        List: (call) => [new Map(timers.list(known(call)).map((timer) => [timer.name, describe(timer)]))],
      },
      properties: {
        version: () => 1,
        MinimumInterval: () => limits.timerIntervalMilliseconds / 1000,
        MaximumTimers: () => limits.timersOfApp,
      },
    };
  });
}
