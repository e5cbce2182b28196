// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/** A path in the file system, or a name in the abstract namespace without its leading NUL. */
export type BusSocket = { readonly path: string } | { readonly abstract: string };

function unescapeValue(text: string, address: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) {
    throw new DowelError("DBUS_INVALID", `Cannot read the bus address '${address}': '%' needs two hexadecimal digits`);
  }
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new DowelError("DBUS_INVALID", `Cannot read the bus address '${address}': it is not UTF-8`, { cause });
  }
}

function parseOne(entry: string, address: string): BusSocket | undefined {
  const colon = entry.indexOf(":");
  if (colon < 1) throw new DowelError("DBUS_INVALID", `Cannot read the bus address '${address}': no transport`);
  if (entry.slice(0, colon) !== "unix") return undefined;
  for (const pair of entry.slice(colon + 1).split(",")) {
    const equals = pair.indexOf("=");
    const value = unescapeValue(pair.slice(equals + 1), address);
    if (pair.startsWith("path=")) return { path: value };
    if (pair.startsWith("abstract=")) return { abstract: value };
  }
  return undefined;
}

/**
 * The Unix sockets of a bus address ("Server Addresses" of the D-Bus specification), in the order to try them; other
 * transports are passed over. Throws `DBUS_INVALID` where there is none.
 */
export function parseBusAddress(address: string): readonly BusSocket[] {
  const sockets = address
    .split(";")
    .filter((entry) => entry !== "")
    .flatMap((entry) => parseOne(entry, address) ?? []);
  if (sockets.length > 0) return sockets;
  throw new DowelError("DBUS_INVALID", `The bus address '${address}' names no Unix socket`, {
    hint: "Addresses look like unix:path=/run/user/1000/bus",
  });
}
