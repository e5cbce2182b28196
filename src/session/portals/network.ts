// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { isDowelError } from "../../base/errors.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { valueAs, variant } from "../../formats/dbus/types.ts";
import { watchRoutes } from "../../sys/notices.ts";
import type { CallingApp } from "./app.ts";
import { portalErrors } from "./errors.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { onReadable, Source } from "./source.ts";
import { invalidArgument } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.NetworkMonitor",
  methods: {
    GetAvailable: { in: "", out: "b available" },
    GetMetered: { in: "", out: "b metered" },
    GetConnectivity: { in: "", out: "u connectivity" },
    GetStatus: { in: "", out: "a{sv} status" },
    CanReach: { in: "s hostname, u port", out: "b reachable" },
  },
  signals: { changed: "" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

const reachMilliseconds = 20_000;

/** Throws `NotAllowed` for an app that has no network. */
export function requireNetwork(app: CallingApp): void {
  if (app.info().getList("Context", "shared")?.includes("network") === true) return;
  throw new BusCallError(portalErrors.notAllowed, "This call is not available inside the sandbox without network");
}

interface Status {
  readonly available: boolean;
  readonly metered: boolean;
  /** 1: local only, 2: limited, 3: behind a captive portal, 4: the whole network. */
  readonly connectivity: number;
}

function lines(path: string): readonly (readonly string[])[] {
  try {
    return readFileSync(path, "latin1")
      .split("\n")
      .map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

/** Whether there is a way to everywhere: `/proc/net/route` and `/proc/net/ipv6_route` (proc(5)); 0x1 is RTF_UP, 0x200 RTF_REJECT. */
function hasDefaultRoute(): boolean {
  const up = (flags: string | undefined): boolean => (Number.parseInt(flags ?? "0", 16) & 0x201) === 1;
  if (lines("/proc/net/route").some(([, to, , flags, , , , mask]) => to === "00000000" && mask === to && up(flags))) {
    return true;
  }
  const everywhere = "0".repeat(32);
  return lines("/proc/net/ipv6_route").some(
    ([to, length, , , , , , , flags, device]) => to === everywhere && length === "00" && up(flags) && device !== "lo",
  );
}

function kernelStatus(): Status {
  const available = hasDefaultRoute();
  return { available, metered: false, connectivity: available ? 4 : 1 };
}

const manager = "org.freedesktop.NetworkManager";
const managerPath = "/org/freedesktop/NetworkManager";

/** What NetworkManager says, where it runs (its D-Bus interface: NMConnectivityState, NMMetered), else the kernel. */
async function statusOf({ buses }: BackendServices): Promise<Status> {
  try {
    const peer = await buses.connect("system");
    const call = { destination: manager, path: managerPath, interface: "org.freedesktop.DBus.Properties" } as const;
    const [all] = await peer.call(
      { ...call, member: "GetAll", signature: "s", values: [manager], returns: "a{sv}" },
      { noAutoStart: true, timeoutMilliseconds: 5000 },
    );
    const connectivity = valueAs("u", all.get("Connectivity")) ?? 0;
    // none, portal, limited, full; unknown is decided by the kernel.
    const meaning = [kernelStatus().connectivity, 1, 3, 2, 4][connectivity] ?? 1;
    const metered = [1, 3].includes(valueAs("u", all.get("Metered")) ?? 0);
    return { available: meaning > 1, metered, connectivity: meaning };
  } catch (error) {
    if (isDowelError(error)) return kernelStatus();
    throw error;
  }
}

async function canReach(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port, signal });
  socket.setTimeout(reachMilliseconds, () => resolve(false));
  socket.once("connect", () => resolve(true));
  socket.on("error", () => resolve(false));
  const reached = await promise;
  socket.destroy();
  return reached;
}

/** The state of the network, from NetworkManager or the kernel's routes; only for apps that have the network. */
export function networkPortal(services: BackendServices) {
  const { loop } = services;
  const source = new Source((tell) => onReadable(loop, watchRoutes(), tell));
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    source.listen(() => emit(shape, "changed", []), ended);
    const status = async ({ app }: { readonly app: CallingApp }): Promise<Status> => {
      requireNetwork(app);
      return await statusOf(services);
    };
    return {
      methods: {
        GetAvailable: async (call) => [(await status(call)).available],
        GetMetered: async (call) => [(await status(call)).metered],
        GetConnectivity: async (call) => [(await status(call)).connectivity],
        GetStatus: async (call) => {
          const { available, metered, connectivity } = await status(call);
          const found = { available: variant("b", available), metered: variant("b", metered) };
          return [new Map(Object.entries({ ...found, connectivity: variant("u", connectivity) }))];
        },
        CanReach: async ({ app, signal }, host, port) => {
          requireNetwork(app);
          if (host === "" || host.includes("/") || port < 1 || port > 65_535) throw invalidArgument("No such address");
          return [await loop.during(canReach(host, port, signal))];
        },
      },
      properties: { version: () => 3 },
    };
  });
}
