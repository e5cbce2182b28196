// SPDX-License-Identifier: Apache-2.0
import type { InterfaceShape } from "../../dbus/interface.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";

const shape = {
  name: "org.freedesktop.portal.Location",
  methods: {
    CreateSession: { in: "a{sv} options", out: "o handle" },
    Start: { in: "o session_handle, s parent_window, a{sv} options", out: "o handle" },
  },
  signals: { LocationUpdated: "o session_handle, a{sv} location" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** Refuses to tell where the user is: 1 where nobody allowed it, 2 where the device has nothing that knows. */
export function locationPortal({ decide }: BackendServices) {
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      CreateSession: ({ openSession }, options) => [openSession(options, () => undefined).path],
      Start({ app, request, session }, handle, _window, options) {
        session(handle);
        const work = async () => {
          const allowed = (await decide(app, "location", "location", "no")) === "yes";
          return { response: allowed ? 2 : 1 } as const;
        };
        return [request(options, work)];
      },
    },
    properties: { version: () => 1 },
  }));
}
