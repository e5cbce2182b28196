// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { CallingApp } from "./app.ts";
import { portalErrors } from "./errors.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";

const shape = {
  name: "org.freedesktop.portal.Realtime",
  methods: {
    MakeThreadRealtimeWithPID: { in: "t process, t thread, u priority", out: "" },
    MakeThreadHighPriorityWithPID: { in: "t process, t thread, i priority", out: "" },
  },
  properties: { version: "u", MaxRealtimePriority: "i", MinNiceLevel: "i", RTTimeUSecMax: "x" },
} as const satisfies InterfaceShape;

const kit = {
  destination: "org.freedesktop.RealtimeKit1",
  path: "/org/freedesktop/RealtimeKit1",
  interface: "org.freedesktop.RealtimeKit1",
} as const;

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

function innermost(path: string): string | undefined {
  try {
    return /^NSpid:.*?(\d+)$/m.exec(readFileSync(`${path}/status`, "latin1"))?.[1];
  } catch {
    return undefined;
  }
}

/** The host's number of what has a number in the app's own namespace. Throws `NotFound`: others are out of reach. */
function onHost(folder: string, inside: bigint, accept: (pid: string) => boolean): bigint {
  const found = readdirSync(folder).find(
    (pid) => /^\d+$/.test(pid) && accept(pid) && innermost(`${folder}/${pid}`) === String(inside),
  );
  if (found !== undefined) return BigInt(found);
  throw new BusCallError(portalErrors.notFound, `The app has no ${inside}`);
}

function threadOf(app: CallingApp, process: bigint, thread: bigint): readonly [bigint, bigint] {
  const own = namespaceOf(String(app.child()));
  const pid = onHost("/proc", process, (one) => own !== undefined && namespaceOf(one) === own);
  return [pid, onHost(`/proc/${pid}/task`, thread, () => true)];
}

/** Threads with more than ordinary priority, by RealtimeKit; pids are those that the app sees. */
export function realtimePortal({ buses, decide }: BackendServices) {
  const make = async (
    app: CallingApp,
    member: string,
    [process, thread, priority]: readonly [bigint, bigint, number],
    type: "u" | "i",
  ): Promise<readonly []> => {
    if ((await decide(app, "realtime", "realtime", "yes")) !== "yes") {
      throw new BusCallError(portalErrors.notAllowed, "This app may not have other priorities");
    }
    const [pid, tid] = threadOf(app, process, thread);
    const peer = await buses.connect("system");
    await peer.call({ ...kit, member, signature: `tt${type}`, values: [pid, tid, priority] });
    return [];
  };
  const property = async <T>(name: string): Promise<T> => {
    const peer = await buses.connect("system");
    const call = { ...kit, interface: "org.freedesktop.DBus.Properties", member: "Get", signature: "ss" } as const;
    const [found] = await peer.call({ ...call, values: [kit.interface, name], returns: "v" });
    return found.value as T;
  };
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      MakeThreadRealtimeWithPID: ({ app }, ...wanted) => make(app, "MakeThreadRealtimeWithPID", wanted, "u"),
      MakeThreadHighPriorityWithPID: ({ app }, ...wanted) => make(app, "MakeThreadHighPriorityWithPID", wanted, "i"),
    },
    properties: {
      version: () => 1,
      MaxRealtimePriority: async () => await property<number>("MaxRealtimePriority"),
      MinNiceLevel: async () => await property<number>("MinNiceLevel"),
      RTTimeUSecMax: async () => await property<bigint>("RTTimeUSecMax"),
    },
  }));
}
