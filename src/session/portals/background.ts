// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { limits } from "../../base/limits.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { variant } from "../../formats/dbus/types.ts";
import { launcherPath } from "../../instances/launcher.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { permit } from "./permit.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument, switchOf, textOf, textsOf } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.Background",
  methods: {
    RequestBackground: { in: "s parent_window, a{sv} options", out: "o handle" },
    SetStatus: { in: "a{sv} options", out: "" },
  },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** A word of `Exec` (Desktop Entry Specification 1.5): in double quotes, whose escapes are escaped once more as a string. */
function quote(word: string): string {
  return `"${word
    .replaceAll(/["`$\\]/g, "\\$&")
    .replaceAll("%", "%%")
    .replaceAll("\\", "\\\\")}"`;
}

/** The desktop entry that starts an app with the session. Throws `InvalidArgument` for words that no entry can hold. Pure. */
export function autostartEntry(program: string, app: string, words: readonly string[], byBus: boolean): string {
  if (words.some((word) => /\p{Cc}/u.test(word))) throw invalidArgument("commandline holds control characters");
  const [command, ...rest] = words;
  const all = [program, "run", ...(command === undefined ? [] : [`--command=${command}`]), app, ...rest];
  const lines = ["[Desktop Entry]", "Type=Application", `Name=${app}`, `Exec=${all.map(quote).join(" ")}`];
  return [...lines, ...(byBus ? ["DBusActivatable=true"] : []), `X-Flatpak=${app}`, ""].join("\n");
}

/** Lets apps run without a window, and start with the session: systemd and desktops start what lies in `autostart`. */
export function backgroundPortal(services: BackendServices) {
  const { environment } = services;
  const configuration = environment["XDG_CONFIG_HOME"] || `${environment["HOME"] ?? ""}/.config`;
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      RequestBackground(call, _window, options) {
        const { app } = call;
        const reason = textOf(options, "reason");
        const autostart = switchOf(options, "autostart", false);
        const byBus = switchOf(options, "dbus-activatable", false);
        const entry = autostartEntry(launcherPath(), app.id, textsOf(options, "commandline"), byBus);
        const path = join(configuration, "autostart", `${app.id}.desktop`);
        const work = async (signal: AbortSignal) => {
          const question = { reason, autostart };
          const may = await permit(services, app, ["background", "background"], "yes", question, signal);
          if (may && autostart) {
            mkdirSync(dirname(path), { recursive: true });
            writeFileDurably(path, entry);
          } else {
            rmSync(path, { force: true });
          }
          const results = { background: variant("b", may), autostart: variant("b", may && autostart) };
          return { response: may ? 0 : 1, results: new Map(Object.entries(results)) } as const;
        };
        return [call.request(options, work)];
      },
      SetStatus(_call, options) {
        if (textOf(options, "message").length > limits.portalStatusCharacters) throw invalidArgument("message is long");
        return [];
      },
    },
    properties: { version: () => 2 },
  }));
}
