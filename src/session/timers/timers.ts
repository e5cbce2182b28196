// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { splitDataName } from "../../metadata/profile.ts";
import { openWallClock, setWallClock } from "../../sys/wallclock.ts";
import type { CallingApp } from "../portals/app.ts";
import type { Environment } from "../portals/buses.ts";
import type { Decide } from "../portals/decide.ts";
import { onReadable } from "../portals/source.ts";
import { TimerFiles } from "./files.ts";
import { ServiceManager } from "./manager.ts";
import { afterFiring, inReach, isDue, nextWake, type Timer } from "./plan.ts";
import { isInstalled, type WakeOptions, wakeApp } from "./wake.ts";

export interface TimerOptions extends WakeOptions {
  readonly environment: Environment;
  readonly decide: Decide;
  /** The app of an owner, as decisions are made about it. */
  readonly appOf: (id: string) => CallingApp;
  /** A service manager has started this service and can do so again. */
  readonly managed: boolean;
}

/** How soon the service manager is asked again where it was not there. */
const armAgainMilliseconds = 5000;

type Tell = (timer: Timer) => void;

/**
 * The wake-ups that apps have set. Their files are the truth; each look at them is followed by one alarm for the next
 * moment at which somebody must be woken, and by the same with the service manager, which counts when this service ends.
 */
export class Timers implements Disposable {
  readonly #options: TimerOptions;
  readonly #files: TimerFiles;
  readonly #manager: ServiceManager;
  readonly #clock = openWallClock();
  readonly #alarm: Disposable;
  readonly #listeners = new Map<string, Set<Tell>>();
  /** Owners that are told or started now. */
  readonly #busy = new Set<string>();
  /** Before this time an app is not started again. */
  readonly #notBefore = new Map<string, number>();
  readonly #changes = new Map<string, { readonly since: number; count: number }>();
  #again: Disposable | undefined;
  #arming: Promise<void> = Promise.resolve();
  #next: number | undefined;
  #armed: number | undefined;
  #ended = false;

  constructor(options: TimerOptions) {
    this.#options = options;
    this.#files = new TimerFiles(options.environment);
    this.#manager = new ServiceManager(options.buses);
    this.#alarm = onReadable(options.loop, this.#clock, () => this.look());
  }

  /** Whether somebody waits whom only this service can wake. */
  get holds(): boolean {
    return this.#busy.size > 0 || (this.#next !== undefined && this.#next !== this.#armed);
  }

  /** Throws `TIMERS_INVALID`. */
  list(owner: string): readonly Timer[] {
    return this.#files.read(owner);
  }

  /** Throws `LimitsExceeded` for an owner with too many timers, or too many changes of them within a minute. */
  checkRoom(owner: string, name?: string): void {
    const now = performance.now();
    const known = this.#changes.get(owner);
    const counted = known !== undefined && now - known.since < 60_000 ? known : { since: now, count: 0 };
    this.#changes.set(owner, counted);
    if (++counted.count > limits.timerChangesInMinute) {
      throw new BusCallError(busErrors.limitsExceeded, `At most ${limits.timerChangesInMinute} changes a minute`);
    }
    const others = name === undefined ? [] : this.list(owner).filter((timer) => timer.name !== name);
    if (others.length < limits.timersOfApp) return;
    throw new BusCallError(busErrors.limitsExceeded, `An app may have ${limits.timersOfApp} timers, and has them`);
  }

  /** Sets a timer in place of one with the same name. */
  async set(owner: string, timer: Timer): Promise<void> {
    const others = (before: readonly Timer[]) => before.filter(({ name }) => name !== timer.name);
    await this.#during(this.#files.change(owner, (before) => [...others(before), timer]));
    this.look();
  }

  /** Answers whether there was one. */
  async remove(owner: string, name: string): Promise<boolean> {
    let found = false;
    await this.#during(
      this.#files.change(owner, (before) => {
        found = before.some((timer) => timer.name === name);
        return found ? before.filter((timer) => timer.name !== name) : before;
      }),
    );
    if (found) this.look();
    return found;
  }

  /** Tells what fires instead of starting the app, until the signal. */
  listen(owner: string, tell: Tell, until: AbortSignal): void {
    const listeners = this.#listeners.get(owner) ?? new Set();
    this.#listeners.set(owner, listeners.add(tell));
    until.addEventListener("abort", () => {
      listeners.delete(tell);
      if (listeners.size === 0) this.#listeners.delete(owner);
    });
  }

  /** Fires what is due, and sets the alarm for what comes next. */
  look(): void {
    if (this.#ended) return;
    const now = Date.now();
    const wakes: number[] = [];
    for (const owner of this.#owners()) {
      const next = this.#lookAt(owner, now);
      if (next !== undefined) wakes.push(next);
    }
    this.#next = wakes.length === 0 ? undefined : Math.min(...wakes);
    setWallClock(this.#clock, this.#next);
    if (this.#options.managed) this.#arming = this.#during(this.#arming.then(() => this.#arm()));
  }

  #owners(): readonly string[] {
    try {
      return this.#files.owners();
    } catch (error) {
      this.#options.failed(error);
      return [];
    }
  }

  /** When the owner must be looked at again; undefined: not by itself. */
  #lookAt(owner: string, now: number): number | undefined {
    if (this.#busy.has(owner)) return undefined;
    if (!isInstalled(this.#options.installations, owner)) {
      this.#work(owner, () => this.#files.clear(owner));
      return undefined;
    }
    let timers: readonly Timer[];
    try {
      timers = this.#files.read(owner);
    } catch (error) {
      this.#options.failed(error);
      return undefined;
    }
    if (timers.some((timer) => inReach(timer, now) !== timer)) {
      const settle = (before: readonly Timer[]) => before.map((timer) => inReach(timer, now));
      this.#work(owner, () => this.#files.change(owner, settle));
      return undefined;
    }
    const due = timers.filter((timer) => isDue(timer, now));
    const start = this.#listeners.has(owner) ? 0 : (this.#notBefore.get(owner) ?? 0);
    if (due.length === 0) return nextWake(timers);
    // A clock that was set back must not keep an app away for long.
    if (start > now && start - now <= limits.timerStartMilliseconds) return start;
    this.#work(owner, () => this.#fire(owner, due, now));
    return undefined;
  }

  /** Works for one owner, and then looks again. */
  #work(owner: string, work: () => Promise<void>): void {
    this.#busy.add(owner);
    const done = (): void => {
      this.#busy.delete(owner);
      this.look();
    };
    this.#during(work()).then(done, (error: unknown) => {
      this.#options.failed(error);
      // What cannot be written, as on a full disk, is tried again, but not at once.
      this.#options.loop.after(limits.timerStartMilliseconds, done);
    });
  }

  /** Tells or starts the app first, and forgets then: a timer may come twice after a crash, and is not lost. */
  async #fire(owner: string, due: readonly Timer[], now: number): Promise<void> {
    const listeners = this.#listeners.get(owner);
    if (!(await this.#mayFire(owner))) {
      // What fires meanwhile is lost: the app may not be woken.
    } else if (listeners !== undefined) {
      for (const timer of due) for (const tell of listeners) tell(timer);
    } else {
      this.#notBefore.set(owner, now + limits.timerStartMilliseconds);
      await wakeApp(this.#options, owner, due);
    }
    const fired = new Map(due.map((timer) => [timer.name, timer.due]));
    await this.#files.change(owner, (before) =>
      before.flatMap((timer) => (fired.get(timer.name) === timer.due ? (afterFiring(timer, now) ?? []) : timer)),
    );
  }

  async #mayFire(owner: string): Promise<boolean> {
    const app = this.#options.appOf(splitDataName(owner)?.id ?? owner);
    const decisions = await Promise.all([
      this.#options.decide(app, "timers", "timers", "ask"),
      this.#options.decide(app, "background", "background", "yes"),
    ]);
    return !decisions.includes("no");
  }

  async #arm(): Promise<void> {
    const at = this.#next;
    try {
      this.#armed = (await this.#manager.arm(at)) ? at : undefined;
      this.#again?.[Symbol.dispose]();
      // The manager may come to the bus after this service, which the same manager has started.
      if (this.#armed !== at) this.#again = this.#options.loop.after(armAgainMilliseconds, () => this.look());
    } catch (error) {
      this.#options.failed(error);
    }
  }

  async #during<T>(work: Promise<T>): Promise<T> {
    return await this.#options.loop.during(work);
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#again?.[Symbol.dispose]();
    this.#alarm[Symbol.dispose]();
  }
}
