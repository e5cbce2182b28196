// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { BusSocket } from "../formats/dbus/address.ts";
import { connectUnix } from "../sys/sockets.ts";

/** A connection to the first socket that takes one; the caller closes it. Throws `BUS_UNREACHABLE`. */
export function connectBus(sockets: readonly BusSocket[]): number {
  let cause: unknown;
  for (const socket of sockets) {
    try {
      return connectUnix(socket);
    } catch (error) {
      cause = error;
    }
  }
  const [first] = sockets;
  const name = first === undefined ? "" : "path" in first ? first.path : `@${first.abstract}`;
  throw new DowelError("BUS_UNREACHABLE", `Cannot connect to the bus at ${name}`, { cause });
}
