// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { CallingApp } from "./app.ts";
import { runBackend, runProgram } from "./command.ts";
import { portalErrors } from "./errors.ts";
import { type Notice, parseNotice } from "./notification/notice.ts";
import { ShownNotices } from "./notification/shown.ts";
import { type ConnectionServices, definePortal, desktopPortal, type Options } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.Notification",
  methods: {
    AddNotification: { in: "s id, a{sv} notification", out: "" },
    RemoveNotification: { in: "s id", out: "" },
  },
  signals: { ActionInvoked: "s id, s action, av parameter" },
  properties: { version: "u", SupportedOptions: "a{sv}" },
} as const satisfies InterfaceShape;

/** Who shows notifications may hang, die or refuse; what it says is not for apps. */
async function ownError<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof BusCallError)) throw cause;
    throw new BusCallError(portalErrors.failed, "What shows notifications here does not take this one", { cause });
  }
}

/** What one connection has shown, a few at a time. */
class Notices {
  readonly #services: BackendServices;
  readonly #shown: ShownNotices;
  readonly #ended: AbortSignal;
  #busy = 0;

  constructor(services: BackendServices, { emit, ended }: ConnectionServices) {
    const { buses, loop, failed } = services;
    this.#services = services;
    this.#ended = ended;
    this.#shown = new ShownNotices(
      buses,
      (work) => void loop.during(work).catch(failed),
      (id, { action, target }) => emit(shape, "ActionInvoked", [id, action, target === undefined ? [] : [target]]),
      ended,
    );
  }

  async add(app: CallingApp, id: string, notification: Options): Promise<void> {
    const notice = parseNotice(notification);
    if (id === "" || id.length > limits.portalTextBytes) throw invalidArgument("That is no id");
    if ((await this.#services.decide(app, "notifications", "notification", "yes")) !== "yes") {
      throw new BusCallError(portalErrors.notAllowed, "This app may not show notifications");
    }
    if (this.#busy >= limits.portalRequests) throw new BusCallError(busErrors.limitsExceeded, "Too many at a time");
    this.#busy++;
    try {
      await this.#tell(app.id, id, notice);
    } finally {
      this.#busy--;
    }
  }

  /** By the maker's command, else by what shows notifications in the session, else in the system's log. */
  async #tell(app: string, id: string, notice: Notice): Promise<void> {
    const { backends, loop } = this.#services;
    const { title, body, priority } = notice;
    const command = backends().commands.get("notify");
    if (command !== undefined) {
      await runBackend(loop, command, { app, id, title, body, priority }, this.#ended);
      return;
    }
    if (await ownError(this.#shown.show(app, id, notice))) return;
    await loop.during(runProgram("logger", ["--tag", app, "--", `${title}: ${body}`]));
  }

  async remove(id: string): Promise<void> {
    await ownError(this.#shown.remove(id));
  }
}

/** Shows what apps say (Notification portal, version 2). */
export function notificationPortal(services: BackendServices) {
  return definePortal(shape, desktopPortal, (connection) => {
    const notices = new Notices(services, connection);
    return {
      methods: {
        async AddNotification({ app }, id, notification) {
          await notices.add(app, id, notification);
          return [];
        },
        async RemoveNotification(_call, id) {
          await notices.remove(id);
          return [];
        },
      },
      properties: { version: () => 2, SupportedOptions: () => new Map() },
    };
  });
}
