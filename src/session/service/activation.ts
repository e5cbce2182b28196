// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { neverBlock } from "../../sys/sockets.ts";

/** The first descriptor that a service manager gives (sd_listen_fds(3)). */
const firstDescriptor = 3;

/** The listening socket that a service manager opened for this process, or undefined. Throws `USAGE` for several. */
export function activationSocket(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { LISTEN_PID: forPid, LISTEN_FDS: count } = environment;
  if (count === undefined || Number(forPid) !== pid) return undefined;
  if (count !== "1") throw new DowelError("USAGE", `The service manager gives ${count} sockets, and there must be one`);
  // Managers open it so that accept(2) waits.
  neverBlock(firstDescriptor);
  return firstDescriptor;
}
