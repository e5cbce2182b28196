// SPDX-License-Identifier: Apache-2.0
import { closeSync, existsSync } from "node:fs";
import { isDowelError } from "../../base/errors.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { type Variant, variant } from "../../formats/dbus/types.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { splitDataName } from "../../metadata/profile.ts";
import { createSealedFile } from "../../sys/process.ts";
import type { HostBuses } from "../portals/buses.ts";
import { startDowel } from "../portals/processes.ts";
import type { Timer } from "./plan.ts";

/** The action of the app's own that a timer is, and the variable that names those that have fired. */
const action = "timer";
const variable = "DOWEL_TIMERS";
/** An app that is started by the bus and has not answered by then has got its call, or never will. */
const answerMilliseconds = 60_000;

export interface WakeOptions {
  readonly loop: EventLoop;
  readonly buses: HostBuses;
  /** Folders of installations. */
  readonly installations: readonly string[];
  readonly failed: (error: unknown) => void;
}

/** Seconds since 1970, as apps are told times. */
export function secondsOf(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds / 1000));
}

/** What an app is told of a timer that has fired. */
export function detailsOf({ data, due }: Pick<Timer, "data" | "due">): ReadonlyMap<string, Variant> {
  return new Map([
    ["data", variant("s", data)],
    ["due", variant("x", secondsOf(due))],
  ]);
}

/** Whether an app is installed anywhere. */
export function isInstalled(installations: readonly string[], owner: string): boolean {
  const id = splitDataName(owner)?.id ?? "";
  return installations.some((folder) => existsSync(`${folder}/app/${id}/current`));
}

/** Calls the app's action by its name on the bus, by which the bus starts it. Answers whether there is such an app. */
async function activate({ buses }: WakeOptions, id: string, timer: Timer): Promise<boolean> {
  const call = {
    destination: id,
    path: `/${id.replaceAll(".", "/").replaceAll("-", "_")}`,
    interface: "org.freedesktop.Application",
    member: "ActivateAction",
    signature: "sava{sv}",
  } as const;
  const details = new Map([["name", variant("s", timer.name)], ...detailsOf(timer)]);
  try {
    const peer = await buses.connect("session");
    const values = [action, [variant("a{sv}", details)], new Map()];
    await peer.call({ ...call, values }, { timeoutMilliseconds: answerMilliseconds });
    return true;
  } catch (error) {
    if (error instanceof BusCallError) return error.errorName === busErrors.noReply;
    if (isDowelError(error)) return false;
    throw error;
  }
}

function run({ loop, failed }: WakeOptions, id: string, profile: string | undefined, timers: readonly Timer[]): void {
  const told = timers.map(({ name, data, due }) => ({ name, data, due: Math.floor(due / 1000) }));
  const file = createSealedFile("environment", Buffer.from(`${variable}=${JSON.stringify(told)}\0`));
  try {
    const words = ["run", "--forward-env-fd=3", ...(profile === undefined ? [] : [`--profile=${profile}`]), id];
    startDowel(loop, words, new Map([[3, file]])).ended.catch(failed);
  } finally {
    closeSync(file);
  }
}

/**
 * Starts an app for timers that have fired: by its name on the bus, one `org.freedesktop.Application.ActivateAction`
 * for each, where it exports a service of that name; else its command, once for all, with `DOWEL_TIMERS` in its
 * environment.
 */
export async function wakeApp(options: WakeOptions, owner: string, timers: readonly Timer[]): Promise<void> {
  const { id, profile } = splitDataName(owner) ?? { id: owner, profile: undefined };
  const file = `exports/share/dbus-1/services/${id}.service`;
  const isService = profile === undefined && options.installations.some((folder) => existsSync(`${folder}/${file}`));
  const answered = isService ? await Promise.all(timers.map((timer) => activate(options, id, timer))) : [];
  const left = timers.filter((_, index) => answered[index] !== true);
  if (left.length > 0) run(options, id, profile, left);
}
