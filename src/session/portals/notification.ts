// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { limits } from "../../base/limits.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { type Variant, valueAs, variant } from "../../formats/dbus/types.ts";
import type { HostBuses } from "./buses.ts";
import { runBackend } from "./command.ts";
import { portalErrors } from "./errors.ts";
import { definePortal, desktopPortal, type Options } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument, textOf } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.Notification",
  methods: {
    AddNotification: { in: "s id, a{sv} notification", out: "" },
    RemoveNotification: { in: "s id", out: "" },
  },
  signals: { ActionInvoked: "s id, s action, av parameter" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** Desktop Notifications Specification 1.2. */
const shower = {
  destination: "org.freedesktop.Notifications",
  path: "/org/freedesktop/Notifications",
  interface: "org.freedesktop.Notifications",
} as const;
const run = promisify(execFile);
const priorities = ["low", "normal", "high", "urgent"] as const;

interface Action {
  readonly label: string;
  readonly action: string;
  readonly target: Variant | undefined;
}

interface Notice {
  readonly title: string;
  readonly body: string;
  readonly priority: (typeof priorities)[number];
  /** The first is that of the notification itself, where its name is not empty. */
  readonly actions: readonly Action[];
}

/** Throws `InvalidArgument`. */
function parseNotice(found: Options): Notice {
  const priority = priorities.find((one) => one === (textOf(found, "priority") || "normal"));
  if (priority === undefined) throw invalidArgument(`priority must be one of ${priorities.join(", ")}`);
  const buttons = found.has("buttons") ? valueAs("aa{sv}", found.get("buttons")) : [];
  if (buttons === undefined) throw invalidArgument("buttons must be a list");
  const own = { label: "", action: textOf(found, "default-action"), target: found.get("default-action-target") };
  const rest = buttons.map((button) => ({
    label: textOf(button, "label"),
    action: textOf(button, "action"),
    target: button.get("target"),
  }));
  return { title: textOf(found, "title"), body: textOf(found, "body"), priority, actions: [own, ...rest] };
}

interface Shown {
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
  const { title, body, priority, actions } = notice;
  const labels = actions.flatMap(({ label, action }, index) =>
    action === "" ? [] : [index === 0 ? "default" : String(index), label],
  );
  const urgency = { low: 0, normal: 1, high: 1, urgent: 2 }[priority];
  const hints = new Map([
    ["urgency", variant("y", urgency)],
    ["desktop-entry", variant("s", app)],
  ]);
  // The body of the specification is markup, that of the portal is not.
  const plain = body.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const values = [app, replaces, "", title, plain, labels, hints, -1];
  const call = { ...shower, member: "Notify", signature: "susssasa{sv}i" } as const;
  return (await peer.call({ ...call, values, returns: "u" }))[0];
}

/** Shows what apps say: by the maker's command, else by what shows notifications in the session, else in the system's log. */
export function notificationPortal(services: BackendServices) {
  const { buses, decide, loop, backends } = services;
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    const shown = new Map<string, Shown>();
    let listening: Promise<unknown> | undefined;
    const invoked = (number: unknown, key: unknown): void => {
      const found = [...shown].find(([, one]) => one.number === number);
      const action = found?.[1].actions[key === "default" ? 0 : Number(key)];
      if (found === undefined || action === undefined) return;
      emit(shape, "ActionInvoked", [found[0], action.action, action.target === undefined ? [] : [action.target]]);
    };
    const listen = async (peer: BusPeer): Promise<void> => {
      const rule = { sender: shower.destination, path: shower.path, member: "ActionInvoked" };
      const heard = await peer.listen(rule, ({ values = [] }) => invoked(...(values as [unknown, unknown])));
      ended.addEventListener("abort", () => heard[Symbol.dispose]());
    };
    const remember = (id: string, one: Shown): void => {
      shown.delete(id);
      shown.set(id, one);
      const [oldest] = shown.keys();
      if (shown.size > limits.portalNotifications && oldest !== undefined) shown.delete(oldest);
    };
    const tell = async (app: string, id: string, notice: Notice): Promise<void> => {
      const { actions: _actions, ...texts } = notice;
      const command = backends().commands.get("notify");
      if (command !== undefined) {
        await runBackend(loop, command, { app, id, ...texts }, ended);
        return;
      }
      const peer = await whoShows(buses);
      if (peer === undefined) {
        await loop.during(run("logger", ["--tag", app, "--", `${texts.title}: ${texts.body}`]));
        return;
      }
      listening ??= listen(peer);
      await listening;
      remember(id, { number: await show(peer, app, shown.get(id)?.number ?? 0, notice), actions: notice.actions });
    };
    let busy = 0;
    return {
      methods: {
        async AddNotification({ app }, id, notification) {
          const notice = parseNotice(notification);
          if (id === "" || id.length > limits.portalTextBytes) throw invalidArgument("That is no id");
          if ((await decide(app, "notifications", "notification", "yes")) !== "yes") {
            throw new BusCallError(portalErrors.notAllowed, "This app may not show notifications");
          }
          if (busy >= limits.portalRequests) throw new BusCallError(busErrors.limitsExceeded, "Too many at a time");
          busy++;
          try {
            await tell(app.id, id, notice);
          } finally {
            busy--;
          }
          return [];
        },
        async RemoveNotification(_call, id) {
          const one = shown.get(id);
          shown.delete(id);
          const peer = one === undefined ? undefined : await whoShows(buses);
          if (one === undefined || peer === undefined) return [];
          await peer.call({ ...shower, member: "CloseNotification", signature: "u", values: [one.number] });
          return [];
        },
      },
      properties: { version: () => 1 },
    };
  });
}
