// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { runBackend, runProgram } from "./command.ts";
import { portalErrors } from "./errors.ts";
import { type Notice, parseNotice } from "./notification/notice.ts";
import { ShownNotices } from "./notification/shown.ts";
import { definePortal, desktopPortal } from "./portal.ts";
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

/** Shows what apps say: by the maker's command, else by what shows notifications in the session, else in the system's log. */
export function notificationPortal(services: BackendServices) {
  const { buses, decide, loop, backends, failed } = services;

  async function tell(app: string, id: string, notice: Notice, shown: ShownNotices, ended: AbortSignal): Promise<void> {
    const { title, body, priority } = notice;
    const command = backends().commands.get("notify");
    if (command !== undefined) {
      await runBackend(loop, command, { app, id, title, body, priority }, ended);
      return;
    }
    if (await ownError(shown.show(app, id, notice))) return;
    await loop.during(runProgram("logger", ["--tag", app, "--", `${title}: ${body}`]));
  }

  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    const shown = new ShownNotices(
      buses,
      (work) => void loop.during(work).catch(failed),
      (id, { action, target }) => emit(shape, "ActionInvoked", [id, action, target === undefined ? [] : [target]]),
      ended,
    );
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
            await tell(app.id, id, notice, shown, ended);
          } finally {
            busy--;
          }
          return [];
        },
        async RemoveNotification(_call, id) {
          await ownError(shown.remove(id));
          return [];
        },
      },
      properties: { version: () => 2, SupportedOptions: () => new Map() },
    };
  });
}
