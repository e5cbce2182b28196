// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { variant } from "../../formats/dbus/types.ts";
import { userName } from "../../sys/username.ts";
import { permit } from "./permit.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { textOf } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.Account",
  methods: { GetUserInformation: { in: "s window, a{sv} options", out: "o handle" } },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** The full name of a user in the text of `/etc/passwd`; "" where there is none (passwd(5)). */
function fullName(passwd: string, uid: number): string {
  const fields = passwd.split("\n").map((line) => line.split(":"));
  return fields.find(([, , id]) => id === String(uid))?.[4]?.split(",", 1)[0] ?? "";
}

/** Who the user is: only where that is allowed or somebody says yes. */
export function accountPortal(services: BackendServices) {
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      GetUserInformation(call, _window, options) {
        const reason = textOf(options, "reason");
        const work = async (signal: AbortSignal) => {
          if (!(await permit(services, call.app, ["account", "account"], "ask", { reason }, signal))) {
            return { response: 1 } as const;
          }
          const uid = process.getuid?.() ?? 0;
          const texts = { id: userName(uid), name: fullName(readFileSync("/etc/passwd", "utf8"), uid), image: "" };
          const results = new Map(Object.entries(texts).map(([key, text]) => [key, variant("s", text)]));
          return { response: 0, results } as const;
        };
        return [call.request(options, work)];
      },
    },
    properties: { version: () => 1 },
  }));
}
