// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../../base/errors.ts";
import { limits } from "../../../base/limits.ts";
import type { BusPeer } from "../../../dbus/peer.ts";
import { type Variant, variant } from "../../../formats/dbus/types.ts";
import type { HostBuses } from "../buses.ts";
import type { Action, Notice } from "./notice.ts";

/** Desktop Notifications Specification 1.2. */
const shower = {
  destination: "org.freedesktop.Notifications",
  path: "/org/freedesktop/Notifications",
  interface: "org.freedesktop.Notifications",
} as const;

interface Shown {
  readonly app: string;
  readonly number: number;
  readonly actions: readonly Action[];
}

async function whoShows(buses: HostBuses): Promise<BusPeer | undefined> {
  try {
    const peer = await buses.connect("session");
    const [names] = await peer.callBus("ListActivatableNames", { returns: "as" });
    const isThere = names.includes(shower.destination) || (await peer.ownerOf(shower.destination)) !== "";
    return isThere ? peer : undefined;
  } catch {
    return undefined;
  }
}

async function show(peer: BusPeer, app: string, replaces: number, notice: Notice): Promise<number> {
  const { title, body, markup, priority, icon, category, silent, transient, actions } = notice;
  const labels = actions.flatMap(({ label, action }, index) =>
    action === "" ? [] : [index === 0 ? "default" : String(index), label],
  );
  const urgency = { low: 0, normal: 1, high: 1, urgent: 2 }[priority];
  const hints = new Map<string, Variant>([
    ["urgency", variant("y", urgency)],
    ["desktop-entry", variant("s", app)],
    ...(category === "" ? [] : [["category", variant("s", category)] as const]),
    ...(silent ? [["suppress-sound", variant("b", true)] as const] : []),
    ...(transient ? [["transient", variant("b", true)] as const] : []),
  ]);
  // The body of the specification is markup, that of the portal is not.
  const plain = body.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const values = [app, replaces, icon, title, markup ?? plain, labels, hints, -1];
  const call = { ...shower, member: "Notify", signature: "susssasa{sv}i" } as const;
  return (await peer.call({ ...call, values, returns: "u" }))[0];
}

/**
 * Activates an action that the app exports, which has `app.` before its name, where the app is on the bus or can be
 * started there (Desktop Entry Specification 1.5, "D-Bus Activation"). Answers whether it was.
 */
async function activate(peer: BusPeer, app: string, { action, target }: Action): Promise<boolean> {
  if (!action.startsWith("app.")) return false;
  const call = {
    destination: app,
    path: `/${app.replaceAll(".", "/").replaceAll("-", "_")}`,
    interface: "org.freedesktop.Application",
    member: "ActivateAction",
    signature: "sava{sv}",
  } as const;
  try {
    await peer.call({
      ...call,
      values: [action.slice("app.".length), target === undefined ? [] : [target], new Map()],
    });
    return true;
  } catch (error) {
    if (isDowelError(error)) return false;
    throw error;
  }
}

/** Tells that an action was chosen which the app does not export. @param id that the app gave the notification */
type Tell = (id: string, action: Action) => void;

/** The notifications that one connection has on the desktop. */
export class ShownNotices {
  readonly #buses: HostBuses;
  readonly #during: (work: Promise<void>) => void;
  readonly #tell: Tell;
  readonly #ended: AbortSignal;
  readonly #shown = new Map<string, Shown>();
  #listening: { readonly peer: BusPeer; readonly started: Promise<void> } | undefined;

  /** @param during carries out what nobody waits for, until the signal fires */
  constructor(buses: HostBuses, during: (work: Promise<void>) => void, tell: Tell, ended: AbortSignal) {
    this.#buses = buses;
    this.#during = during;
    this.#tell = tell;
    this.#ended = ended;
  }

  /** Whether there is somebody who shows it. Throws where they fail. */
  async show(app: string, id: string, notice: Notice): Promise<boolean> {
    const peer = await whoShows(this.#buses);
    if (peer === undefined) return false;
    await this.#listen(peer);
    const number = await show(peer, app, this.#shown.get(id)?.number ?? 0, notice);
    this.#shown.delete(id);
    this.#shown.set(id, { app, number, actions: notice.actions });
    const [oldest] = this.#shown.keys();
    if (this.#shown.size > limits.portalNotifications && oldest !== undefined) this.#shown.delete(oldest);
    return true;
  }

  /** Takes one away that this connection has shown; nothing happens where it has not. */
  async remove(id: string): Promise<void> {
    const one = this.#shown.get(id);
    this.#shown.delete(id);
    const peer = one === undefined ? undefined : await whoShows(this.#buses);
    if (one === undefined || peer === undefined) return;
    await peer.call({ ...shower, member: "CloseNotification", signature: "u", values: [one.number] });
  }

  /** Once for each connection to the bus; one that fails is tried again. */
  async #listen(peer: BusPeer): Promise<void> {
    if (this.#listening?.peer !== peer) {
      const listening = { peer, started: this.#hear(peer) };
      this.#listening = listening;
      listening.started.catch(() => {
        if (this.#listening === listening) this.#listening = undefined;
      });
    }
    await this.#listening.started;
  }

  async #hear(peer: BusPeer): Promise<void> {
    const rule = { sender: shower.destination, path: shower.path, member: "ActionInvoked" };
    const heard = await peer.listen(rule, ({ values = [] }) => this.#invoked(peer, values[0], values[1]));
    this.#ended.addEventListener("abort", () => heard[Symbol.dispose]());
  }

  #invoked(peer: BusPeer, number: unknown, key: unknown): void {
    const found = [...this.#shown].find(([, one]) => one.number === number);
    const action = found?.[1].actions[key === "default" ? 0 : Number(key)];
    if (found === undefined || action === undefined) return;
    const [id, { app }] = found;
    const told = async (): Promise<void> => {
      if (!(await activate(peer, app, action))) this.#tell(id, action);
    };
    this.#during(told());
  }
}
