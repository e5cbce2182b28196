// SPDX-License-Identifier: Apache-2.0
// A portal of a device's maker: apps ask for light, the table `lamp` says who may have it, a command of the maker's gives it.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { InterfaceShape } from "../../src/dbus/interface.ts";
import { variant } from "../../src/formats/dbus/types.ts";
import { definePortal, desktopPortal } from "../../src/session/portals/portal.ts";

const shape = {
  name: "org.example.portal.Lamp",
  methods: {
    Light: { in: "s colour, a{sv} options", out: "o handle" },
    Watch: { in: "a{sv} options", out: "o session_handle" },
  },
  signals: { Changed: "o session_handle, s colour" },
  properties: { version: "u", colour: "s" },
} as const satisfies InterfaceShape;

const run = promisify(execFile);

/** @param command of the maker's, which gets the colour as its word */
export function lampPortal(command: string) {
  return definePortal(shape, desktopPortal, ({ loop, decide }) => {
    let colour = "off";
    return {
      methods: {
        Light: (call, wanted, options) => [
          call.request(options, async (signal) => {
            if ((await decide(call.app, "lamp", "light", "ask")) !== "yes") return { response: 1 };
            await loop.during(run(command, [wanted], { signal, timeout: 10_000 }));
            colour = wanted;
            return { response: 0, results: new Map([["colour", variant("s", wanted)]]) };
          }),
        ],
        Watch(call, options) {
          const session = call.openSession(options, () => undefined);
          call.emit(call.path, shape, "Changed", [session.path, colour]);
          return [session.path];
        },
      },
      properties: { version: () => 1, colour: () => colour },
    };
  });
}
