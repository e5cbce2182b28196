// SPDX-License-Identifier: Apache-2.0
import { basename } from "node:path";
import { limits } from "../../base/limits.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { valueAs } from "../../formats/dbus/types.ts";
import { type OpenCallerFile, openCallerFile } from "../documents/callerfile.ts";
import type { CallingApp } from "./app.ts";
import { passedPath, runBackend } from "./command.ts";
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

/** Files that the caller itself can read. Throws `InvalidArgument`, or what `openCallerFile` does. */
function attachmentsOf(app: CallingApp, options: Options, held: DisposableStack): readonly OpenCallerFile[] {
  const found = options.get("attachment_fds");
  const fds = valueAs("ah", found) ?? (options.has("attachment_fds") ? undefined : []);
  if (fds === undefined) throw invalidArgument("attachment_fds must be a list of descriptors");
  if (fds.length > limits.portalAttachments) throw invalidArgument(`At most ${limits.portalAttachments} attachments`);
  return fds.map((fd) => {
    const file = held.use(openCallerFile(app.child(), fd));
    if (file.isFolder) throw invalidArgument("An attachment must be a file");
    return file;
  });
}

/** Begins a mail: by the maker's command, else in the app for `mailto`, which takes no attachments: they are refused. */
export function emailPortal(services: BackendServices) {
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      ComposeEmail(call, _window, options) {
        const mail = mailOf(options);
        using held = new DisposableStack();
        const files = attachmentsOf(call.app, options, held);
        const command = services.backends().commands.get("email");
        if (command === undefined && files.length > 0) {
          throw invalidArgument("Attachments cannot be handed on without a command for mail");
        }
        const work = async (signal: AbortSignal) => {
          if (command === undefined) {
            const opened = { type: "x-scheme-handler/mailto", uri: mailtoOf(mail) };
            return await open(services, call.app, opened, signal);
          }
          const attachments = files.map(({ path }, index) => ({ name: basename(path), file: passedPath(index) }));
          const descriptors = files.map(({ fd }) => fd);
          await runBackend(services.loop, command, { app: call.app.id, ...mail, attachments }, signal, descriptors);
          return { response: 0 } as const;
        };
        return [call.request(options, work, held.move())];
      },
    },
    properties: { version: () => 4 },
  }));
}
