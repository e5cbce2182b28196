// SPDX-License-Identifier: Apache-2.0
import { type Caller, type Implementation, type InterfaceShape, implement, type Served } from "../../dbus/interface.ts";
import type { Variant } from "../../formats/dbus/types.ts";
import type { EventLoop } from "../../loop/loop.ts";
import type { CallingApp } from "./app.ts";
import type { Decide } from "./decide.ts";
import type { RequestWork } from "./request.ts";
import type { Session } from "./session.ts";
import type { Source } from "./source.ts";
import type { UpdateWatcher } from "./updates/watcher.ts";

/** Options of a portal's call. */
export type Options = ReadonlyMap<string, Variant>;

/** A call of a portal, and what the room does for its method. */
export interface PortalCall extends Caller {
  readonly app: CallingApp;
  /** Sends a signal to the caller's connection alone. */
  readonly emit: (path: string, shape: InterfaceShape, member: string, values: readonly unknown[]) => void;
  /** Makes an object that exists for the caller's connection alone. */
  readonly export: (path: string, served: Served<PortalCall>) => Disposable;
  /**
   * Opens a request named by the caller's `handle_token`, and returns its path, which is the method's answer. The work
   * begins when the answer has gone; what it resolves to goes into `Response`. Its signal fires when the caller closes
   * the request or goes. Throws `InvalidArgument`, `Exists`, or `LimitsExceeded` for too many.
   *
   * @param held what the work needs; disposed of when the work has ended, or where the request is not opened
   */
  readonly request: (options: Options, work: RequestWork, held?: DisposableStack) => string;
  /** Opens a session named by the caller's `session_handle_token`. Throws as `request`. */
  readonly openSession: (options: Options, closed: () => void) => Session;
  /** A session that this very connection has opened. Throws `NotFound`. */
  readonly session: (path: string) => Session;
}

/** What portals use of the service. */
export interface PortalServices {
  readonly loop: EventLoop;
  /** What the policy of the machine's owner says, else the permission store; where they say nothing, the portal's default. */
  readonly decide: Decide;
  /** Tells that it may be decided in another way about devices. */
  readonly decisionsChanged: Source;
  readonly updates: UpdateWatcher;
  /** A portal has failed in a way that is nobody's business but the maker's. */
  readonly failed: (error: unknown) => void;
}

/** What a portal uses of the service for one connection of an app. */
export interface ConnectionServices extends PortalServices {
  /** Sends a signal from the portal's path to the connection. */
  readonly emit: (shape: InterfaceShape, member: string, values: readonly unknown[]) => void;
  /** Tells the connection the new value of properties. */
  readonly emitChanged: (shape: InterfaceShape, changed: Readonly<Record<string, unknown>>) => void;
  /** Fires when the connection has ended. */
  readonly ended: AbortSignal;
}

/** One portal: where it is, and how it is served. One file each. */
export interface Portal {
  readonly busName: string;
  readonly path: string;
  readonly interface: string;
  readonly serve: (services: ConnectionServices) => Served<PortalCall>;
}

/** The name and path that most portals share. */
export const desktopPortal = {
  busName: "org.freedesktop.portal.Desktop",
  path: "/org/freedesktop/portal/desktop",
} as const;

/**
 * Makes a portal of its interface and what carries that out.
 *
 * @example
 * const shape = {
 *   name: "org.example.portal.Lamp",
 *   methods: { Light: { in: "s colour, a{sv} options", out: "o handle" } },
 *   properties: { version: "u" },
 * } as const satisfies InterfaceShape;
 *
 * export const lamp = definePortal(shape, desktopPortal, ({ decide }) => ({
 *   methods: {
 *     Light: (call, colour, options) => [
 *       call.request(options, async () => {
 *         if ((await decide(call.app, "lamp", "light", "yes")) !== "yes") return { response: 2 };
 *         …
 *         return { response: 0 };
 *       }),
 *     ],
 *   },
 *   properties: { version: () => 1 },
 * }));
 */
export function definePortal<const I extends InterfaceShape>(
  shape: I,
  place: { readonly busName: string; readonly path: string },
  make: (services: ConnectionServices) => Implementation<I, PortalCall>,
): Portal {
  return { ...place, interface: shape.name, serve: (services) => implement<I, PortalCall>(shape, make(services)) };
}
