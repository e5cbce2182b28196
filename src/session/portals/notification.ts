// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isDowelError } from "../../base/errors.ts";
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
import { invalidArgument, textOf, textsOf } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.Notification",
  methods: {
    AddNotification: { in: "s id, a{sv} notification", out: "" },
    RemoveNotification: { in: "s id", out: "" },
  },
  signals: { ActionInvoked: "s id, s action, av parameter" },
  properties: { version: "u", SupportedOptions: "a{sv}" },
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
  /** The same with the markup of the Desktop Notifications Specification; undefined: there is none. */
  readonly markup: string | undefined;
  readonly priority: (typeof priorities)[number];
  /** Name of an icon of the theme, or "". */
  readonly icon: string;
  readonly category: string;
  /** Nothing is to be heard; undefined: whoever shows it decides. */
  readonly silent: boolean;
  /** It need not be kept. */
  readonly transient: boolean;
  /** The first is that of the notification itself, where its name is not empty. */
  readonly actions: readonly Action[];
}

/** Bold, italic, underlined and links, with everything else as text (Desktop Notifications Specification 1.2, "Markup"). */
function cleanMarkup(text: string): string {
  const plain = text.replaceAll(/&(?!(amp|lt|gt|quot|apos|#\d+);)/g, "&amp;").replaceAll("<", "&lt;");
  return plain.replaceAll(/&lt;(\/?[biu]|\/a|a href="(?:https?|mailto):[^"<>]*")>/g, "<$1>");
}

/** The name in a serialised icon of the theme; files and bytes are not shown. */
function iconName(found: Variant | undefined): string {
  const name = valueAs("s", found);
  const [kind, value] = valueAs("(sv)", found) ?? ["", undefined];
  const [first = ""] = name !== undefined ? [name] : (kind === "themed" && valueAs("as", value)) || [];
  return /^[A-Za-z0-9_.-]{1,255}$/.test(first) ? first : "";
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
  const markup = textOf(found, "markup-body");
  const texts = { title: textOf(found, "title"), body: textOf(found, "body"), category: textOf(found, "category") };
  return {
    ...texts,
    markup: markup === "" ? undefined : cleanMarkup(markup),
    priority,
    icon: iconName(found.get("icon")),
    silent: valueAs("s", found.get("sound")) === "silent",
    transient: textsOf(found, "display-hint").includes("transient"),
    actions: [own, ...rest],
  };
}

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

/** Shows what apps say: by the maker's command, else by what shows notifications in the session, else in the system's log. */
export function notificationPortal(services: BackendServices) {
  const { buses, decide, loop, backends, failed } = services;
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    const shown = new Map<string, Shown>();
    let listening: Promise<unknown> | undefined;
    const invoked = (peer: BusPeer, number: unknown, key: unknown): void => {
      const found = [...shown].find(([, one]) => one.number === number);
      const action = found?.[1].actions[key === "default" ? 0 : Number(key)];
      if (found === undefined || action === undefined) return;
      const signal = [found[0], action.action, action.target === undefined ? [] : [action.target]];
      const told = async (): Promise<void> => {
        if (!(await activate(peer, found[1].app, action))) emit(shape, "ActionInvoked", signal);
      };
      loop.during(told()).catch(failed);
    };
    const listen = async (peer: BusPeer): Promise<void> => {
      const rule = { sender: shower.destination, path: shower.path, member: "ActionInvoked" };
      const heard = await peer.listen(rule, ({ values = [] }) => invoked(peer, values[0], values[1]));
      ended.addEventListener("abort", () => heard[Symbol.dispose]());
    };
    const remember = (id: string, one: Shown): void => {
      shown.delete(id);
      shown.set(id, one);
      const [oldest] = shown.keys();
      if (shown.size > limits.portalNotifications && oldest !== undefined) shown.delete(oldest);
    };
    const tell = async (app: string, id: string, notice: Notice): Promise<void> => {
      const { title, body, priority } = notice;
      const texts = { title, body, priority };
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
      const number = await show(peer, app, shown.get(id)?.number ?? 0, notice);
      remember(id, { app, number, actions: notice.actions });
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
      properties: { version: () => 2, SupportedOptions: () => new Map() },
    };
  });
}
