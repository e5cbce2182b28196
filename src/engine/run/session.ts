// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { DowelError, errnoOf } from "../../base/errors.ts";
import { launcherPath } from "../../instances/launcher.ts";
import { connectUnix } from "../../sys/sockets.ts";
import { closeDescriptors } from "../../sys/transfer.ts";

/** How long a service that the first app started stays without apps, seconds. */
const linger = 60;

function listens(socket: string): boolean {
  try {
    closeDescriptors([connectUnix({ path: socket }, "packets")]);
    return true;
  } catch (error) {
    if (["ENOENT", "ECONNREFUSED"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/**
 * Sees to it that the session service listens: the first app starts it where no service manager does. Throws
 * `SESSION_UNREACHABLE`.
 */
export async function ensureSession(socket: string, signal: AbortSignal | undefined): Promise<void> {
  if (listens(socket)) return;
  const service = spawn(launcherPath(), ["session", "serve", `--linger=${linger}`], {
    // The launcher brings it back where it is killed; the monitors find it again.
    argv0: "dowel-keep",
    cwd: "/",
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const options = signal === undefined ? {} : { signal };
  // It says where it listens; or it ends, where another start was faster.
  await Promise.race([once(service.stdout, "data", options), once(service, "exit", options)]);
  service.stdout.destroy();
  service.unref();
  if (listens(socket)) return;
  throw new DowelError("SESSION_UNREACHABLE", `No session service listens at ${socket}`, {
    hint: "Start it with 'dowel session serve' to see why.",
  });
}
