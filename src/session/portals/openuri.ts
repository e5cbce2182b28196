// SPDX-License-Identifier: Apache-2.0
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { type OpenCallerFile, openCallerFile, openFolderOf } from "../documents/callerfile.ts";
import { passedPath, runBackend } from "./command.ts";
import { portalErrors } from "./errors.ts";
import { open, opensScheme } from "./opener.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument, switchOf } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.OpenURI",
  methods: {
    OpenURI: { in: "s parent_window, s uri, a{sv} options", out: "o handle" },
    OpenFile: { in: "s parent_window, h fd, a{sv} options", out: "o handle" },
    OpenDirectory: { in: "s parent_window, h fd, a{sv} options", out: "o handle" },
    SchemeSupported: { in: "s scheme, a{sv} options", out: "b supported" },
  },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

const typeMilliseconds = 10_000;
/** RFC 3986, section 3.1. */
const schemePattern = /^[a-z][a-z0-9+.-]*$/;

/** Throws for what is no URI, and `NotAllowed` for a file, which must be proven to be the caller's. */
function schemeOf(uri: string): string {
  const scheme = uri.slice(0, Math.max(0, uri.indexOf(":"))).toLowerCase();
  const isText = uri.length <= limits.portalTextBytes && !/[\p{Cc}\s]/u.test(uri);
  if (!schemePattern.test(scheme) || !isText) throw invalidArgument("That is no URI");
  if (scheme === "file") throw new BusCallError(portalErrors.notAllowed, "Files are opened with OpenFile");
  return scheme;
}

/** The MIME type of a file by its content, as far as file(1) or the folder itself tells. */
async function typeOf(loop: EventLoop, { fd, isFolder }: OpenCallerFile, signal: AbortSignal): Promise<string> {
  if (isFolder) return "inode/directory";
  try {
    const words = ["file", "--brief", "--mime-type", "--dereference", "--", passedPath(0)];
    const late = AbortSignal.any([signal, AbortSignal.timeout(typeMilliseconds)]);
    return (await runBackend(loop, words, {}, late, [fd])).trim();
  } catch {
    return "application/octet-stream";
  }
}

/** Opens addresses and files with the maker's command or in other apps. */
export function openUriPortal(services: BackendServices) {
  const { loop } = services;
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      OpenURI(call, _window, uri, options) {
        const type = `x-scheme-handler/${schemeOf(uri)}`;
        return [call.request(options, (signal) => open(services, call.app, { type, uri }, signal))];
      },
      OpenFile(call, _window, fd, options) {
        using held = new DisposableStack();
        const file = held.use(openCallerFile(call.app.child(), fd));
        const writable = switchOf(options, "writable", false);
        if (writable && !file.writable) {
          throw new BusCallError(portalErrors.notAllowed, "The caller cannot write to the file itself");
        }
        const work = async (signal: AbortSignal) => {
          const uri = pathToFileURL(file.path).href;
          const opened = { type: await typeOf(loop, file, signal), uri, fd: file.fd, writable };
          return await open(services, call.app, opened, signal);
        };
        return [call.request(options, work, held.move())];
      },
      OpenDirectory(call, _window, fd, options) {
        using held = new DisposableStack();
        const file = held.use(openCallerFile(call.app.child(), fd));
        const folder = held.use(openFolderOf(file));
        const opened = { type: "inode/directory", uri: pathToFileURL(dirname(file.path)).href, fd: folder.fd };
        return [call.request(options, (signal) => open(services, call.app, opened, signal), held.move())];
      },
      SchemeSupported(_call, scheme) {
        if (!schemePattern.test(scheme)) throw invalidArgument("That is no scheme");
        return [scheme !== "file" && opensScheme(services, scheme)];
      },
    },
    properties: { version: () => 5 },
  }));
}
