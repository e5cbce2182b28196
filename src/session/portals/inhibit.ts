// SPDX-License-Identifier: Apache-2.0
import type { InterfaceShape } from "../../dbus/interface.ts";
import { type Variant, variant } from "../../formats/dbus/types.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import type { CallingApp } from "./app.ts";
import type { HostBuses } from "./buses.ts";
import { LoginState } from "./login.ts";
import { type ConnectionServices, definePortal, desktopPortal, type Options, type PortalCall } from "./portal.ts";
import type { RequestOutcome } from "./request.ts";
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

/** What is to be held, as logind's names. Throws `InvalidArgument`. */
function kindsOf(flags: number): readonly string[] {
  if (flags === 0 || flags > allFlags) throw invalidArgument(`${flags} are no flags`);
  return kinds.flatMap(([bit, name]) => ((flags & bit) === 0 ? [] : [name]));
}

/** The monitors of one connection, each a session that is told how the user's session is. */
class Monitors {
  readonly #login: LoginState;
  readonly #emit: (session: string, state: ReadonlyMap<string, Variant>) => void;
  readonly #open = new Set<string>();

  constructor(login: LoginState, { emit, ended }: ConnectionServices) {
    this.#login = login;
    this.#emit = (session, state) => emit(shape, "StateChanged", [session, state]);
    login.listen({
      changed: () => {
        for (const session of this.#open) this.#tell(session);
      },
      waitsFor: this.#open,
      until: ended,
    });
  }

  async open({ openSession }: PortalCall, options: Options): Promise<RequestOutcome> {
    await this.#login.follow();
    const { path } = openSession(options, () => {
      this.#open.delete(path);
      this.#login.answered(path);
    });
    this.#open.add(path);
    queueMicrotask(() => this.#tell(path));
    return { response: 0, results: new Map([["session_handle", variant("o", path)]]) };
  }

  #tell(session: string): void {
    const { locked, phase } = this.#login;
    const state = { "screensaver-active": variant("b", locked), "session-state": variant("u", phase) };
    this.#emit(session, new Map(Object.entries(state)));
  }
}

/** Keeps the machine from ending the session, sleeping or being idle, by logind, while the request is open. */
export function inhibitPortal({ buses, decide, loop, failed }: BackendServices) {
  const login = new LoginState(loop, buses, failed);
  async function inhibit(app: CallingApp, what: readonly string[], reason: string): Promise<RequestOutcome> {
    if ((await decide(app, "inhibit", "inhibit", "yes")) !== "yes") return { response: 1 };
    if (what.length === 0) return { response: 2 };
    return { response: 0, lasting: await lock(buses, what.join(":"), app, reason) };
  }
  return definePortal(shape, desktopPortal, (connection) => {
    const monitors = new Monitors(login, connection);
    return {
      methods: {
        Inhibit({ app, request }, _window, flags, options) {
          const what = kindsOf(flags);
          const reason = textOf(options, "reason") || "It did not say why";
          return [request(options, () => inhibit(app, what, reason))];
        },
        CreateMonitor: (call, _window, options) => [call.request(options, () => monitors.open(call, options))],
        QueryEndResponse({ session }, handle) {
          login.answered(session(handle).path);
          return [];
        },
      },
      properties: { version: () => 3 },
    };
  });
}
