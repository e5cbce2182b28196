// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import { type InterfaceShape, implement } from "../../dbus/interface.ts";
import type { PortalConnection } from "./connection.ts";
import { portalErrors } from "./errors.ts";
import { checkRoom, handlePath, tokenOf } from "./handles.ts";
import type { Options } from "./portal.ts";

/** What an app keeps open: it ends when the app closes it or goes, or when the portal ends it. */
export interface Session {
  readonly path: string;
  /** Tells the app that the session is over. */
  readonly close: () => void;
}

const sessionShape = {
  name: "org.freedesktop.portal.Session",
  methods: { Close: { in: "", out: "" } },
  signals: { Closed: "a{sv} details" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

interface Open extends Session {
  readonly end: () => void;
}

/** The sessions that one connection has open. */
export class Sessions {
  readonly #connection: PortalConnection;
  readonly #open = new Map<string, Open>();

  constructor(connection: PortalConnection) {
    this.#connection = connection;
  }

  open(sender: string, options: Options, closed: () => void): Session {
    const path = handlePath("session", sender, tokenOf(options, "session_handle_token"));
    checkRoom(this.#open, path, limits.portalSessions);
    const end = (): void => {
      if (!this.#open.delete(path)) return;
      exported[Symbol.dispose]();
      closed();
    };
    const methods = {
      Close: () => {
        end();
        return [] as const;
      },
    };
    const served = implement(sessionShape, { methods, properties: { version: () => 1 } });
    const exported = this.#connection.objects.export(path, served);
    const close = (): void => {
      if (!this.#open.has(path)) return;
      end();
      this.#connection.emit(path, sessionShape, "Closed", [new Map()]);
    };
    const session = { path, close, end };
    this.#open.set(path, session);
    return session;
  }

  at(path: string): Session {
    const session = this.#open.get(path);
    if (session !== undefined) return session;
    throw new BusCallError(portalErrors.notFound, "This connection has no such session");
  }

  closeAll(): void {
    for (const { end } of [...this.#open.values()]) end();
  }
}
