// SPDX-License-Identifier: Apache-2.0
import type { InterfaceShape } from "../dbus/interface.ts";

/** Where the system service is on the system bus. */
export const serviceName = "org.dowel.System1";
export const servicePath = "/org/dowel/System1";

/**
 * What the service offers. `Change` takes a name for the job that the caller chooses, an installation by its name and path,
 * a change as JSON (`encode.ts`), and open folders with images for it; it answers when all is done. `Event` goes to the caller alone, with an event as
 * `--json` prints it. Errors are named `org.dowel.Error.CODE`.
 */
export const systemShape = {
  name: serviceName,
  methods: {
    Change: { in: "s job, s installation, s path, s change, ah media", out: "b changed" },
    Cancel: { in: "s job", out: "" },
  },
  signals: { Event: "s job, s event" },
  properties: { Version: "s" },
} as const satisfies InterfaceShape;
