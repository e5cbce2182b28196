// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { valueAs } from "../../formats/dbus/types.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import type { HostBuses } from "./buses.ts";

/** How the session is, as the Inhibit portal tells it. */
type Phase = 1 | 2 | 3;
const running = 1;
const queryEnd = 2;
const ending = 3;
/** How long apps may take to say that they know of the end. */
const answerMilliseconds = 1000;

const login = "org.freedesktop.login1";
const manager = { destination: login, path: "/org/freedesktop/login1", interface: `${login}.Manager` } as const;
const session = { destination: login, path: "/org/freedesktop/login1/session/auto" } as const;
const propertiesName = "org.freedesktop.DBus.Properties";

interface Listener {
  readonly changed: () => void;
  /** Sessions of the app that are to answer before the session ends. */
  readonly waitsFor: ReadonlySet<string>;
  readonly until: AbortSignal;
}

/**
 * What logind says of the user's session (org.freedesktop.login1(5)): whether it is locked, and whether the machine goes
 * down, which is held up for a second while apps have not answered. Where no logind runs, it runs and is not locked.
 */
export class LoginState {
  readonly #loop: EventLoop;
  readonly #buses: HostBuses;
  readonly #failed: (error: unknown) => void;
  readonly #listeners = new Set<Listener>();
  readonly #unanswered = new Set<string>();
  #followed: { readonly peer: BusPeer; readonly ready: Promise<void> } | undefined;
  #delay: number | undefined;
  locked = false;
  phase: Phase = running;

  constructor(loop: EventLoop, buses: HostBuses, failed: (error: unknown) => void) {
    this.#loop = loop;
    this.#buses = buses;
    this.#failed = failed;
  }

  listen(listener: Listener): void {
    this.#listeners.add(listener);
    listener.until.addEventListener("abort", () => {
      this.#listeners.delete(listener);
      for (const path of listener.waitsFor) this.answered(path);
    });
  }

  /** Begins to follow logind, if it has not. */
  async follow(): Promise<void> {
    try {
      const peer = await this.#buses.connect("system");
      if (this.#followed?.peer !== peer) this.#followed = { peer, ready: this.#begin(peer) };
      await this.#followed.ready;
    } catch (error) {
      this.#followed = undefined;
      if (!isDowelError(error)) throw error;
    }
  }

  async #begin(peer: BusPeer): Promise<void> {
    await peer.listen({ sender: login, ...pathOf(manager), member: "PrepareForShutdown" }, ({ values }) =>
      this.#prepare(peer, values?.[0] === true),
    );
    const changed = { sender: login, interface: propertiesName, member: "PropertiesChanged", arg0: `${login}.Session` };
    await peer.listen(changed, () => void this.#loop.during(this.#look(peer)).catch(this.#failed));
    await this.#look(peer);
    await this.#holdUp(peer);
  }

  async #look(peer: BusPeer): Promise<void> {
    const get = { ...session, interface: propertiesName, member: "Get", signature: "ss", returns: "v" } as const;
    try {
      const [found] = await peer.call({ ...get, values: [`${login}.Session`, "LockedHint"] }, { noAutoStart: true });
      this.#become(valueAs("b", found) === true, this.phase);
    } catch (error) {
      // A service of the user's own may be in no session.
      if (!isDowelError(error)) throw error;
    }
  }

  /** Lets logind wait for the answers of apps, as long as it lets anybody. */
  async #holdUp(peer: BusPeer): Promise<void> {
    if (this.#delay !== undefined) return;
    const values = ["shutdown", "Dowel", "Apps are told", "delay"];
    const call = { ...manager, member: "Inhibit", signature: "ssss", values, returns: "h" } as const;
    const [fd] = await peer.call(call, { keepDescriptors: true, noAutoStart: true });
    this.#delay = fd;
  }

  #prepare(peer: BusPeer, goesDown: boolean): void {
    if (!goesDown) {
      this.#become(this.locked, running);
      void this.#loop.during(this.#holdUp(peer)).catch(this.#failed);
      return;
    }
    for (const { waitsFor } of this.#listeners) for (const path of waitsFor) this.#unanswered.add(path);
    this.#become(this.locked, queryEnd);
    this.#loop.after(answerMilliseconds, () => this.#end());
    if (this.#unanswered.size === 0) this.#end();
  }

  /** An app knows that the session is to end, or will not hear of it. */
  answered(path: string): void {
    if (this.#unanswered.delete(path) && this.#unanswered.size === 0) this.#end();
  }

  #end(): void {
    this.#unanswered.clear();
    if (this.phase === queryEnd) this.#become(this.locked, ending);
    if (this.#delay !== undefined) closeDescriptors([this.#delay]);
    this.#delay = undefined;
  }

  #become(locked: boolean, phase: Phase): void {
    if (locked === this.locked && phase === this.phase) return;
    this.locked = locked;
    this.phase = phase;
    for (const { changed } of this.#listeners) changed();
  }
}

function pathOf({ path, interface: name }: { readonly path: string; readonly interface: string }) {
  return { path, interface: name };
}
