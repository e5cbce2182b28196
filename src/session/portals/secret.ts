// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../base/errors.ts";
import { randomBytes } from "../../base/random.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import type { CallingApp } from "./app.ts";
import { portalErrors } from "./errors.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.Secret",
  methods: { RetrieveSecret: { in: "h fd, a{sv} options", out: "o handle" } },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

const secretBytes = 64;

/** The key of an app, and of its profile, made when it is first asked for; it never changes. */
function secretOf(folder: string, app: CallingApp): Uint8Array {
  const profile = app.info().get("Instance", "profile");
  const path = join(folder, profile === undefined ? app.id : `${app.id}@${profile}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const found = readFileSync(path);
    if (found.length === secretBytes) return found;
    throw new BusCallError(portalErrors.failed, "The key of this app is damaged");
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  const made = randomBytes(secretBytes);
  writeFileDurably(path, made, 0o600);
  return made;
}

/** Writes to a pipe that a caller gave, which must take everything at once: nobody is waited for. */
function writeToPipe(fd: number, bytes: Uint8Array): void {
  let own: number | undefined;
  try {
    // A description of the service's own, so that only its own writes do not wait.
    own = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
    if (writeSync(own, bytes) === bytes.length) return;
  } catch (cause) {
    throw new BusCallError(portalErrors.failed, "The pipe does not take the key", { cause });
  } finally {
    if (own !== undefined) closeSync(own);
  }
  throw new BusCallError(portalErrors.failed, "The pipe does not take the key");
}

/** A key for each app, from which it derives what it encrypts with (Secret portal, version 1). */
export function secretPortal({ environment }: BackendServices) {
  const data = environment["XDG_DATA_HOME"] || `${environment["HOME"] ?? ""}/.local/share`;
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      RetrieveSecret(call, fd, options) {
        if (!fstatSync(fd).isFIFO()) throw invalidArgument("The descriptor must be the end of a pipe");
        // The caller's descriptor is closed when the method has answered, and the key is small.
        writeToPipe(fd, secretOf(join(data, "dowel/secrets"), call.app));
        return [call.request(options, async () => ({ response: 0 }))];
      },
    },
    properties: { version: () => 1 },
  }));
}
