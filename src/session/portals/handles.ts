// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "../../base/random.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { valueAs } from "../../formats/dbus/types.ts";
import { portalErrors } from "./errors.ts";
import { desktopPortal, type Options } from "./portal.ts";

const tokenPattern = /^[A-Za-z0-9_]{1,128}$/;

/** The caller's token, or one that cannot be guessed where it gives none. Throws `InvalidArgument`. */
export function tokenOf(options: Options, key: "handle_token" | "session_handle_token"): string {
  if (!options.has(key)) return randomBytes(16).toString("hex");
  const token = valueAs("s", options.get(key)) ?? "";
  if (tokenPattern.test(token)) return token;
  throw new BusCallError(portalErrors.invalidArgument, `${key} must be a part of an object path, of type 's'`);
}

/** Where a caller's request or session is: its own unique name is part of the path, so nobody makes one for another. */
export function handlePath(kind: "request" | "session", sender: string, token: string): string {
  return `${desktopPortal.path}/${kind}/${handleName(sender)}/${token}`;
}

/** A caller's unique name as a part of an object path. */
export function handleName(sender: string): string {
  return sender.slice(1).replaceAll(/[^A-Za-z0-9]/g, "_");
}

/** Throws where one more must not be opened. */
export function checkRoom(open: ReadonlyMap<string, unknown>, path: string, most: number): void {
  if (open.has(path)) throw new BusCallError(portalErrors.exists, `${path} exists already`);
  if (open.size < most) return;
  throw new BusCallError(busErrors.limitsExceeded, `One connection may have ${most} open, and has them`);
}
