// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { DowelError } from "../base/errors.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { type AppFilter, mayInstall, mayRun } from "../metadata/parental.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";
import type { RecordingHost } from "../sandbox/probe/recording.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { BusClient, isBusError } from "./run/buscall.ts";

const interfaceName = "com.endlessm.ParentalControls.AppFilter";

/** Where AccountsService learns of the interface, and where it keeps what is set for each user. */
const interfaceFile = `/usr/share/accountsservice/interfaces/${interfaceName}.xml`;
const settingsFolder = "/var/lib/AccountsService/users";

const accounts = "org.freedesktop.Accounts";

/** The errors of a bus and a service that know of no parental controls. */
const unknown = [
  "ServiceUnknown",
  "UnknownInterface",
  "UnknownMethod",
  "UnknownObject",
  "InvalidArgs",
  "NameHasNoOwner",
];
const withoutAccount = `${accounts}.Error.Failed`;

/** A property's value of one type; else nothing. */
function propertyOf(properties: unknown, name: string, signature: string): unknown {
  const found: unknown = properties instanceof Map ? properties.get(name) : undefined;
  const variant = found as { readonly signature?: unknown; readonly value?: unknown } | undefined;
  return variant?.signature === signature ? variant.value : undefined;
}

function filterOf(properties: unknown): AppFilter {
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

async function askFilter(client: BusClient, uid: number): Promise<AppFilter> {
  const [path] = await client.ask({
    destination: accounts,
    path: "/org/freedesktop/Accounts",
    interface: accounts,
    member: "FindUserById",
    signature: "x",
    body: (writer) => writer.number(8, (view, at, isLittle) => view.setBigInt64(at, BigInt(uid), isLittle)),
  });
  const [properties] = await client.ask({
    destination: accounts,
    path: String(path),
    interface: "org.freedesktop.DBus.Properties",
    member: "GetAll",
    signature: "s",
    body: (writer) => writer.string(interfaceName),
  });
  return filterOf(properties);
}

/** What a user may run; undefined where the host has no parental controls. Throws `BUS_CALL_FAILED`. */
async function findFilter(
  uid: number,
  address: string | undefined,
  signal?: AbortSignal,
): Promise<AppFilter | undefined> {
  const socket = "/run/dbus/system_bus_socket";
  if (!existsSync(interfaceFile) || (address === undefined && !existsSync(socket))) return undefined;
  using client = await BusClient.connect(address ?? `unix:path=${socket}`, signal);
  try {
    return await askFilter(client, uid);
  } catch (error) {
    const isNone = unknown.some((name) => isBusError(error, `org.freedesktop.DBus.Error.${name}`));
    if (isNone || isBusError(error, withoutAccount)) return undefined;
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
 * `NOT_PERMITTED`, and `BUS_CALL_FAILED` where there are some but they cannot be asked.
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
