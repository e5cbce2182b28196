// SPDX-License-Identifier: Apache-2.0
import type { InterfaceShape } from "../../dbus/interface.ts";
import { runBackend } from "./command.ts";
import { open } from "./opener.ts";
import { definePortal, desktopPortal, type Options } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument, textOf, textsOf } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.Email",
  methods: { ComposeEmail: { in: "s parent_window, a{sv} options", out: "o handle" } },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

interface Mail {
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string;
  readonly body: string;
}

const addressPattern = /^[^\s,;<>"()@\p{Cc}]+@[^\s,;<>"()@\p{Cc}]+$/u;

/** Throws `InvalidArgument` for what is no address, and for a subject that would be more than one line. */
function mailOf(options: Options): Mail {
  const addresses = (key: string, oneKey?: string): readonly string[] => {
    const all = textsOf(options, key, oneKey);
    const wrong = all.find((one) => !addressPattern.test(one));
    if (wrong !== undefined) throw invalidArgument(`${key}: '${wrong}' is no mail address`);
    return all;
  };
  const subject = textOf(options, "subject");
  if (/\p{Cc}/u.test(subject)) throw invalidArgument("subject must be one line");
  const [to, cc, bcc] = [addresses("addresses", "address"), addresses("cc"), addresses("bcc")];
  return { to, cc, bcc, subject, body: textOf(options, "body") };
}

/** The mail as a `mailto` URI (RFC 6068). Pure. */
function mailtoOf({ to, cc, bcc, subject, body }: Mail): string {
  const list = (all: readonly string[]): string => all.map(encodeURIComponent).join(",");
  const fields = [
    ["cc", list(cc)],
    ["bcc", list(bcc)],
    ["subject", encodeURIComponent(subject)],
    ["body", encodeURIComponent(body.replaceAll(/\r?\n/g, "\r\n"))],
  ].filter(([, value]) => value !== "");
  return `mailto:${list(to)}${fields.length === 0 ? "" : "?"}${fields.map((field) => field.join("=")).join("&")}`;
}

/** Begins a mail: by the maker's command, else in the app for `mailto`. Attachments are refused, not left out. */
export function emailPortal(services: BackendServices) {
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      ComposeEmail(call, _window, options) {
        const mail = mailOf(options);
        if (options.has("attachment_fds")) throw invalidArgument("Attachments cannot be handed on here");
        const work = async (signal: AbortSignal) => {
          const command = services.backends().commands.get("email");
          if (command === undefined) {
            return await open(services, call.app, "x-scheme-handler/mailto", mailtoOf(mail), signal);
          }
          await runBackend(services.loop, command, { app: call.app.id, ...mail }, signal);
          return { response: 0 } as const;
        };
        return [call.request(options, work)];
      },
    },
    properties: { version: () => 4 },
  }));
}
