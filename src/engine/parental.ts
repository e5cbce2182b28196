// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { DowelError } from "../base/errors.ts";
import { BusCallError } from "../dbus/errors.ts";
import type { BusPeer } from "../dbus/peer.ts";
import type { Variant } from "../formats/dbus/types.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { type AppFilter, mayInstall, mayRun } from "../metadata/parental.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";
import type { RecordingHost } from "../sandbox/probe/recording.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";

const interfaceName = "com.endlessm.ParentalControls.AppFilter";

/** Where AccountsService learns of the interface, and where it keeps what is set for each user. */
const interfaceFile = `/usr/share/accountsservice/interfaces/${interfaceName}.xml`;
const settingsFolder = "/var/lib/AccountsService/users";

const accounts = "org.freedesktop.Accounts";

/** The errors of a bus and a service that know of no parental controls. */
const unknown: readonly string[] = [
  ...["ServiceUnknown", "UnknownInterface", "UnknownMethod", "UnknownObject", "InvalidArgs", "NameHasNoOwner"].map(
    (name) => `org.freedesktop.DBus.Error.${name}`,
  ),
  // An account that AccountsService does not know.
  `${accounts}.Error.Failed`,
];

/** A property's value of one type; else nothing. */
function propertyOf(properties: ReadonlyMap<string, Variant>, name: string, signature: string): unknown {
  const found = properties.get(name);
  return found?.signature === signature ? found.value : undefined;
}

function filterOf(properties: ReadonlyMap<string, Variant>): AppFilter {
  const [onlyListed, listed] = (propertyOf(properties, "AppFilter", "(bas)") ?? [false, []]) as [boolean, string[]];
  const [, ratings] = (propertyOf(properties, "OarsFilter", "(sa{ss})") ?? ["", new Map()]) as [
    string,
    Map<string, string>,
  ];
  return {
    onlyListed,
    listed,
    ratings,
    userInstallation: propertyOf(properties, "AllowUserInstallation", "b") !== false,
    systemInstallation: propertyOf(properties, "AllowSystemInstallation", "b") !== false,
  };
}

async function askFilter(peer: BusPeer, uid: number, signal?: AbortSignal): Promise<AppFilter> {
  const find = { destination: accounts, path: "/org/freedesktop/Accounts", interface: accounts } as const;
  const values = [BigInt(uid)] as const;
  const [path] = await peer.call({ ...find, member: "FindUserById", signature: "x", values, returns: "o" }, { signal });
  const get = { destination: accounts, path, interface: "org.freedesktop.DBus.Properties", member: "GetAll" } as const;
  const [properties] = await peer.call(
    { ...get, signature: "s", values: [interfaceName], returns: "a{sv}" },
    { signal },
  );
  return filterOf(properties);
}

/** What a user may run; undefined where the host has no parental controls. Throws `BUS_UNREACHABLE` or `BUS_CALL_FAILED`. */
async function findFilter(
  uid: number,
  address: string | undefined,
  signal?: AbortSignal,
): Promise<AppFilter | undefined> {
  if (!existsSync(interfaceFile) || (address === undefined && !existsSync("/run/dbus/system_bus_socket"))) {
    return undefined;
  }
  // Few machines have parental controls, and a start does without loading this.
  const { systemBusAddress, withBus } = await import("../dbus/reach.ts");
  try {
    const where = systemBusAddress({ DBUS_SYSTEM_BUS_ADDRESS: address });
    return await withBus(where, (peer) => askFilter(peer, uid, signal), signal);
  } catch (error) {
    if (error instanceof BusCallError && unknown.includes(error.errorName)) return undefined;
    throw error;
  }
}

function ownUid(): number {
  return process.getuid?.() ?? 0;
}

function refuse(what: string): DowelError {
  return new DowelError("NOT_PERMITTED", `${what} is not allowed by the parental controls of this computer`, {
    hint: "Its administrator can change them.",
  });
}

/** What the main desktop file of an app says that it opens. */
function contentTypesOf({ path, ref }: Deployment): readonly string[] {
  const file = `${path}/export/share/applications/${ref.id}.desktop`;
  if (!existsSync(file)) return [];
  return parseKeyfile(readFileSync(file, "utf8"), file).getList("Desktop Entry", "MimeType") ?? [];
}

/**
 * Refuses a start that the host's parental controls forbid the caller, and notes what they depend on. Throws
 * `NOT_PERMITTED`, and `BUS_UNREACHABLE` or `BUS_CALL_FAILED` where there are some but they cannot be asked.
 */
export async function checkMayRun(host: RecordingHost, app: Deployment, signal?: AbortSignal): Promise<void> {
  const address = host.variable("DBUS_SYSTEM_BUS_ADDRESS");
  host.observe(interfaceFile);
  host.observe(settingsFolder);
  const filter = await findFilter(ownUid(), address, signal);
  const { ref, previousIds = [] } = app;
  if (filter === undefined || mayRun(filter, { ref, previousIds, contentTypes: contentTypesOf(app) })) return;
  throw refuse(`Running ${formatRef(ref)}`);
}

/**
 * Refuses an install of an app that the host's parental controls forbid `forUser` (else the caller); never to root.
 * Throws as `checkMayRun`.
 */
export async function checkMayInstall(
  ref: Ref,
  labels: ReadonlyMap<string, string>,
  {
    installation: { kind },
    forUser: uid = ownUid(),
    signal,
  }: {
    readonly installation: Installation;
    readonly forUser?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  if (ref.kind !== "app" || uid === 0) return;
  const filter = await findFilter(uid, process.env["DBUS_SYSTEM_BUS_ADDRESS"], signal);
  if (filter === undefined || mayInstall(filter, kind, labels.get("org.freedesktop.appstream.appdata"))) return;
  throw refuse(`Installing ${formatRef(ref)}`);
}
