// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { callerFile } from "../documents/callerfile.ts";
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

const run = promisify(execFile);
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

/** The MIME type of a file by its name and content, as far as file(1) or the folder itself tells. */
async function typeOf(path: string, isFolder: boolean): Promise<string> {
  if (isFolder) return "inode/directory";
  try {
    const { stdout } = await run("file", ["--brief", "--mime-type", "--", path], { timeout: 10_000 });
    return stdout.trim();
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
        return [call.request(options, (signal) => open(services, call.app, type, uri, signal))];
      },
      OpenFile(call, _window, fd, options) {
        const { path, isFolder, writable } = callerFile(call.app.child(), fd);
        if (switchOf(options, "writable", false) && !writable) {
          throw new BusCallError(portalErrors.notAllowed, "The caller cannot write to the file itself");
        }
        const work = async (signal: AbortSignal) => {
          const type = await loop.during(typeOf(path, isFolder));
          return await open(services, call.app, type, pathToFileURL(path).href, signal);
        };
        return [call.request(options, work)];
      },
      OpenDirectory(call, _window, fd, options) {
        const uri = pathToFileURL(dirname(callerFile(call.app.child(), fd).path)).href;
        return [call.request(options, (signal) => open(services, call.app, "inode/directory", uri, signal))];
      },
      SchemeSupported(_call, scheme) {
        if (!schemePattern.test(scheme)) throw invalidArgument("That is no scheme");
        return [scheme !== "file" && opensScheme(services, scheme)];
      },
    },
    properties: { version: () => 5 },
  }));
}
