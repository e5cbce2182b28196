// SPDX-License-Identifier: Apache-2.0
import type { InterfaceShape } from "../../dbus/interface.ts";
import { variant } from "../../formats/dbus/types.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import type { CallingApp } from "./app.ts";
import type { HostBuses } from "./buses.ts";
import { LoginState } from "./login.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument, textOf } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.Inhibit",
  methods: {
    Inhibit: { in: "s window, u flags, a{sv} options", out: "o handle" },
    CreateMonitor: { in: "s window, a{sv} options", out: "o handle" },
    QueryEndResponse: { in: "o session_handle", out: "" },
  },
  signals: { StateChanged: "o session_handle, a{sv} state" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** Flags, and what logind calls them; it knows nothing of the switching of users (2). */
const kinds = [
  [1, "shutdown"],
  [4, "sleep"],
  [8, "idle"],
] as const;
const allFlags = 15;

/** Holds a lock of logind until it is disposed of (org.freedesktop.login1(5)). */
async function lock(buses: HostBuses, what: string, app: CallingApp, reason: string): Promise<Disposable> {
  const peer = await buses.connect("system");
  const call = {
    destination: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
    member: "Inhibit",
  } as const;
  const values = [what, app.id, reason, "block"];
  const [fd] = await peer.call({ ...call, signature: "ssss", values, returns: "h" }, { keepDescriptors: true });
  return { [Symbol.dispose]: () => closeDescriptors([fd]) };
}

/** Keeps the machine from ending the session, sleeping or being idle, by logind, while the request is open. */
export function inhibitPortal({ buses, decide, loop, failed }: BackendServices) {
  const login = new LoginState(loop, buses, failed);
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    const monitors = new Set<string>();
    const tell = (session: string): void => {
      const { locked, phase } = login;
      const state = { "screensaver-active": variant("b", locked), "session-state": variant("u", phase) };
      emit(shape, "StateChanged", [session, new Map(Object.entries(state))]);
    };
    login.listen({
      changed: () => {
        for (const session of monitors) tell(session);
      },
      waitsFor: monitors,
      until: ended,
    });
    return {
      methods: {
        Inhibit({ app, request }, _window, flags, options) {
          if (flags === 0 || flags > allFlags) throw invalidArgument(`${flags} are no flags`);
          const reason = textOf(options, "reason") || "It did not say why";
          const what = kinds.flatMap(([bit, name]) => ((flags & bit) === 0 ? [] : [name]));
          const work = async () => {
            if ((await decide(app, "inhibit", "inhibit", "yes")) !== "yes") return { response: 1 } as const;
            if (what.length === 0) return { response: 2 } as const;
            return { response: 0, lasting: await lock(buses, what.join(":"), app, reason) } as const;
          };
          return [request(options, work)];
        },
        CreateMonitor({ request, openSession }, _window, options) {
          const work = async () => {
            await login.follow();
            const session = openSession(options, () => {
              monitors.delete(session.path);
              login.answered(session.path);
            });
            monitors.add(session.path);
            queueMicrotask(() => tell(session.path));
            return { response: 0, results: new Map([["session_handle", variant("o", session.path)]]) } as const;
          };
          return [request(options, work)];
        },
        QueryEndResponse({ session }, handle) {
          login.answered(session(handle).path);
          return [];
        },
      },
      properties: { version: () => 3 },
    };
  });
}
