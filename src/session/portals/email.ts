// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { valueAs } from "../../formats/dbus/types.ts";
import { callerFile } from "../documents/callerfile.ts";
import type { CallingApp } from "./app.ts";
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

/** Paths on the host of files that the caller itself can read. Throws `InvalidArgument`, or what `callerFile` does. */
function attachmentsOf(app: CallingApp, options: Options): readonly string[] {
  const found = options.get("attachment_fds");
  const fds = valueAs("ah", found) ?? (options.has("attachment_fds") ? undefined : []);
  if (fds === undefined) throw invalidArgument("attachment_fds must be a list of descriptors");
  if (fds.length > limits.portalAttachments) throw invalidArgument(`At most ${limits.portalAttachments} attachments`);
  return fds.map((fd) => {
    const { path, isFolder } = callerFile(app.child(), fd);
    if (isFolder) throw invalidArgument("An attachment must be a file");
    return path;
  });
}

/** Begins a mail: by the maker's command, else in the app for `mailto`, which takes no attachments: they are refused. */
export function emailPortal(services: BackendServices) {
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      ComposeEmail(call, _window, options) {
        const mail = mailOf(options);
        const attachments = attachmentsOf(call.app, options);
        const command = services.backends().commands.get("email");
        if (command === undefined && attachments.length > 0) {
          throw invalidArgument("Attachments cannot be handed on without a command for mail");
        }
        const work = async (signal: AbortSignal) => {
          if (command === undefined) {
            return await open(services, call.app, "x-scheme-handler/mailto", mailtoOf(mail), signal);
          }
          await runBackend(services.loop, command, { app: call.app.id, ...mail, attachments }, signal);
          return { response: 0 } as const;
        };
        return [call.request(options, work)];
      },
    },
    properties: { version: () => 4 },
  }));
}
