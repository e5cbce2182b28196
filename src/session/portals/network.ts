// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { isDowelError } from "../../base/errors.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { askNetworkManager, networkManager, networkManagerPath } from "../../dbus/networkmanager.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { variant } from "../../formats/dbus/types.ts";
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
/** Without a bus nobody tells of a manager that comes, and it is looked for again after this time. */
const unheardMilliseconds = 5000;

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

/** What NetworkManager says; what it does not know, the kernel does. */
async function managerStatus(peer: BusPeer): Promise<Status> {
  const { connectivity, metered = false } = await askNetworkManager(peer);
  // none, portal, limited, full; unknown is decided by the kernel.
  const meaning = [kernelStatus().connectivity, 1, 3, 2, 4][connectivity] ?? 1;
  return { available: meaning > 1, metered, connectivity: meaning };
}

/** The state of the network, which is looked at once and again when something may have changed. */
class Network {
  readonly #services: BackendServices;
  readonly #changed: Source;
  #known: Status | undefined;
  #until = 0;
  #looks = 0;
  #heard: BusPeer | undefined;
  #tell: () => void = () => undefined;

  constructor(services: BackendServices) {
    this.#services = services;
    this.#changed = new Source((tell) => {
      this.#tell = tell;
      return onReadable(services.loop, watchRoutes(), () => this.#forget());
    });
  }

  #forget(): void {
    this.#known = undefined;
    this.#looks++;
    this.#tell();
  }

  listen(handler: () => void, until: AbortSignal): void {
    this.#changed.listen(handler, until);
  }

  /** At once where nothing has changed. */
  status(): Status | Promise<Status> {
    const known = performance.now() < this.#until ? this.#known : undefined;
    return known ?? this.#look();
  }

  async #look(): Promise<Status> {
    const look = this.#looks;
    const status = await this.#ask();
    // What changed while it was asked for is asked for again.
    if (look === this.#looks) this.#known = status;
    this.#until = this.#heard === undefined ? performance.now() + unheardMilliseconds : Number.POSITIVE_INFINITY;
    return status;
  }

  async #ask(): Promise<Status> {
    try {
      const peer = await this.#services.buses.connect("system");
      await this.#hear(peer);
      return await managerStatus(peer);
    } catch (error) {
      if (isDowelError(error)) return kernelStatus();
      throw error;
    }
  }

  async #hear(peer: BusPeer): Promise<void> {
    if (this.#heard === peer) return;
    const forget = (): void => this.#forget();
    const rule = {
      sender: networkManager,
      path: networkManagerPath,
      interface: "org.freedesktop.DBus.Properties",
      member: "PropertiesChanged",
    } as const;
    await peer.listen(rule, forget);
    await peer.watchOwner(networkManager, forget);
    this.#heard = peer;
    peer.ended.addEventListener("abort", () => {
      this.#heard = undefined;
      forget();
    });
  }
}

async function canReach(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // Loaded when it is needed: it takes a MiB of memory.
  const socket = process.getBuiltinModule("node:net").connect({ host, port, signal });
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
  const network = new Network(services);
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    network.listen(() => emit(shape, "changed", []), ended);
    function tell<T>(
      { app }: { readonly app: CallingApp },
      of: (status: Status) => T,
    ): readonly [T] | Promise<readonly [T]> {
      requireNetwork(app);
      const status = network.status();
      return status instanceof Promise ? status.then((found) => [of(found)] as const) : [of(status)];
    }
    return {
      methods: {
        GetAvailable: (call) => tell(call, ({ available }) => available),
        GetMetered: (call) => tell(call, ({ metered }) => metered),
        GetConnectivity: (call) => tell(call, ({ connectivity }) => connectivity),
        GetStatus: (call) =>
          tell(call, ({ available, metered, connectivity }) => {
            const found = { available: variant("b", available), metered: variant("b", metered) };
            return new Map(Object.entries({ ...found, connectivity: variant("u", connectivity) }));
          }),
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
