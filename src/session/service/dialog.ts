// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import { randomBytes } from "../../base/random.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { variant } from "../../formats/dbus/types.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import type { Environment } from "../portals/buses.ts";

const access = "org.freedesktop.impl.portal.Access";

interface Backend {
  readonly busName: string;
  readonly desktops: readonly string[];
}

function backendOf(path: string): Backend[] {
  try {
    const keyfile = parseKeyfile(readFileSync(path), path);
    const list = (key: string): readonly string[] => keyfile.get("portal", key)?.split(";") ?? [];
    const busName = keyfile.get("portal", "DBusName");
    if (busName === undefined || !list("Interfaces").includes(access)) return [];
    return [{ busName, desktops: list("UseIn").map((name) => name.toLowerCase()) }];
  } catch {
    // Not ours to correct; another one may do.
    return [];
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Who can show a question in this session, by the `.portal` files of xdg-desktop-portal; undefined for nobody. */
export function accessBackend(environment: Environment): string | undefined {
  const folders = (environment["XDG_DATA_DIRS"] || "/usr/local/share:/usr/share").split(":");
  const backends = folders
    .map((folder) => join(folder, "xdg-desktop-portal/portals"))
    .flatMap((folder) => namesIn(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith(".portal"))
    .flatMap((path) => backendOf(path));
  const desktops = (environment["XDG_CURRENT_DESKTOP"] ?? "").toLowerCase().split(":");
  const own = backends.find((backend) => backend.desktops.some((name) => desktops.includes(name)));
  return (own ?? backends[0])?.busName;
}

/** What a person answered; undefined where nobody was asked, or the question was put away, as the signal does. */
export async function askPerson(
  peer: BusPeer,
  backend: string,
  app: string,
  title: string,
  body: string,
  signal?: AbortSignal,
): Promise<boolean | undefined> {
  const handle = `/org/freedesktop/portal/desktop/request/dowel/${randomBytes(8).toString("hex")}`;
  const options = new Map([
    ["deny_label", variant("s", "Deny")],
    ["grant_label", variant("s", "Allow")],
  ]);
  const call = {
    destination: backend,
    path: "/org/freedesktop/portal/desktop",
    interface: access,
    member: "AccessDialog",
    signature: "osssssa{sv}",
    values: [handle, app, "", title, "", body, options],
    returns: "ua{sv}",
  } as const;
  const close = {
    destination: backend,
    path: handle,
    interface: "org.freedesktop.impl.portal.Request",
    member: "Close",
  };
  try {
    const [response] = await peer.call(call, { timeoutMilliseconds: Number.POSITIVE_INFINITY, signal });
    return response === 0 ? true : response === 1 ? false : undefined;
  } catch (error) {
    if (!isDowelError(error, "ABORTED")) throw error;
    if (!peer.ended.aborted) peer.call(close).catch(() => undefined);
    return undefined;
  }
}
