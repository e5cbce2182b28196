// SPDX-License-Identifier: Apache-2.0
// When timers are due: pure, with the time given. All times are milliseconds of the wall clock since 1970.
import { Decoder } from "../../base/decode.ts";
import { limits } from "../../base/limits.ts";

/** A wake-up that an app has set. */
export interface Timer {
  readonly name: string;
  /** When it is due, or due next. */
  readonly due: number;
  /** How often it comes back; undefined: it comes once. */
  readonly interval: number | undefined;
  /** So much later than due is early enough, so that several come at once. */
  readonly accuracy: number;
  /** What the app gets back with it. */
  readonly data: string;
}

export const timerNamePattern = /^[A-Za-z0-9_.-]{1,64}$/;

/** A little less than what a `Date` can hold. */
const latest = 8e15;

/** The latest moment of a wake-up that serves them all in time; undefined where there is none. */
export function nextWake(timers: readonly Timer[]): number | undefined {
  return timers.length === 0 ? undefined : Math.min(...timers.map(({ due, accuracy }) => due + accuracy));
}

export function isDue({ due }: Timer, now: number): boolean {
  return due <= now;
}

/** What is left of a timer that has fired: nothing, or its first return that is still to come, in step with the earlier ones. */
export function afterFiring(timer: Timer, now: number): Timer | undefined {
  const { due, interval } = timer;
  if (interval === undefined) return undefined;
  const missed = Math.max(0, Math.floor((now - due) / interval));
  return { ...timer, due: due + (missed + 1) * interval };
}

/** A timer as it counts when the clock was set back: one that returns is never further away than its interval. */
export function inReach(timer: Timer, now: number): Timer {
  const { due, interval } = timer;
  return interval === undefined || due - now <= interval ? timer : { ...timer, due: now + interval };
}

function parseTimer(decoder: Decoder, value: unknown, at: string): Timer {
  const found = decoder.object(value, at);
  const size = (key: string, most: number): number => {
    const value = decoder.size(found[key], `${at}.${key}`);
    return value <= most ? value : decoder.fail(`${at}.${key}`, `at most ${most}`);
  };
  const name = decoder.string(found["name"], `${at}.name`);
  if (!timerNamePattern.test(name)) decoder.fail(`${at}.name`, "1 to 64 letters, digits, '_', '-' and '.'");
  const interval = decoder.optional(found["interval"], () => size("interval", latest));
  if (interval !== undefined && interval < limits.timerIntervalMilliseconds)
    decoder.fail(`${at}.interval`, `at least ${limits.timerIntervalMilliseconds}`);
  const data = decoder.string(found["data"], `${at}.data`);
  if (Buffer.byteLength(data) > limits.timerDataBytes)
    decoder.fail(`${at}.data`, `at most ${limits.timerDataBytes} bytes`);
  const accuracy = size("accuracy", limits.timerAccuracyMilliseconds);
  return { name, due: size("due", latest), interval, accuracy, data };
}

/** Reads the timers of one app. Throws `TIMERS_INVALID`. @param where in messages */
export function parseTimers(text: string, where: string): readonly Timer[] {
  const decoder = new Decoder("TIMERS_INVALID", where);
  const list = decoder.array(decoder.object(decoder.parse(text), "")["timers"], "timers");
  if (list.length > limits.timersOfApp) decoder.fail("timers", `a list of at most ${limits.timersOfApp}`);
  const timers = list.map((value, index) => parseTimer(decoder, value, `timers.${index}`));
  if (new Set(timers.map(({ name }) => name)).size < timers.length) decoder.fail("timers", "a list of different names");
  return timers;
}

export function formatTimers(timers: readonly Timer[]): string {
  return `${JSON.stringify({ timers }, undefined, 1)}\n`;
}
