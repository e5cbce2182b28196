// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { connectBus } from "../../../src/dbus/connect.ts";
import { BusPeer } from "../../../src/dbus/peer.ts";
import { Listener } from "../../../src/loop/listener.ts";
import { EventLoop } from "../../../src/loop/loop.ts";
import { Link } from "../../../src/session/bus/link.ts";
import { BusPolicy } from "../../../src/session/bus/policy.ts";
import { noTraffic } from "../../../src/session/bus/stream.ts";
import { DocumentKeeper } from "../../../src/session/documents/keeper.ts";
import { DocumentTables } from "../../../src/session/documents/tables.ts";
import { LibraryKeeper } from "../../../src/session/library/keeper.ts";
import { PipewireServer } from "../../../src/session/pipewire/server.ts";
import { callingApp } from "../../../src/session/portals/app.ts";
import { type Backends, noBackends } from "../../../src/session/portals/backends.ts";
import { HostBuses } from "../../../src/session/portals/buses.ts";
import type { Decide } from "../../../src/session/portals/decide.ts";
import { Desktop } from "../../../src/session/portals/desktop.ts";
import { PortalHost } from "../../../src/session/portals/host.ts";
import type { Portal } from "../../../src/session/portals/portal.ts";
import { Questions } from "../../../src/session/portals/questions.ts";
import { type BackendServices, servedPortals } from "../../../src/session/portals/served.ts";
import { fileChanges } from "../../../src/session/portals/source.ts";
import { UpdateWatcher } from "../../../src/session/portals/updates/watcher.ts";
import { Timers } from "../../../src/session/timers/timers.ts";
import { listenUnix } from "../../../src/sys/sockets.ts";
import { startBus, type TestBus } from "../../support/bus.ts";

export const portalName = "org.freedesktop.portal.Desktop";
export const portalPath = "/org/freedesktop/portal/desktop";

/** A real bus, and a gateway with portals in front of it, with one instance that anybody can be. */
export class PortalWorld implements AsyncDisposable {
  readonly folder: string;
  readonly loop = new EventLoop();
  readonly socket: string;
  readonly bus: TestBus;
  readonly failures: unknown[] = [];
  readonly timers: Timers;
  readonly #end = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  readonly #resources = new DisposableStack();

  /** Tells of USB devices that come, change and go, while somebody listens. */
  usbChanged: () => void = () => undefined;

  /** What the maker says; it counts from the next call. */
  backends: Backends = noBackends;

  private constructor(
    folder: string,
    bus: TestBus,
    decide: Decide,
    makePortals: (services: BackendServices) => readonly Portal[],
    withDesktop: boolean,
  ) {
    this.folder = folder;
    this.bus = bus;
    this.socket = join(folder, "gateway");
    mkdirSync(join(folder, "instances/7"), { recursive: true });
    writeFileSync(join(folder, "instances/7/info"), "[Application]\nname=org.example.App\n");
    writeFileSync(join(folder, "instances/7/bwrapinfo.json"), JSON.stringify({ "child-pid": process.pid }));
    const failed = (error: unknown): number => this.failures.push(error);
    const environment = {
      HOME: folder,
      XDG_CONFIG_HOME: join(folder, "config"),
      XDG_DATA_HOME: join(folder, "data"),
      XDG_DATA_DIRS: join(folder, "share"),
      DBUS_SESSION_BUS_ADDRESS: bus.address,
      DBUS_SYSTEM_BUS_ADDRESS: bus.address,
    };
    const buses = this.#resources.use(new HostBuses(this.loop, environment));
    const backends = (): Backends => this.backends;
    const updates = new UpdateWatcher(this.loop, failed);
    const place = { installation: join(folder, "dowel"), instances: join(folder, "instances"), home: folder };
    const library = this.#resources.use(new LibraryKeeper(this.loop, place, failed));
    const kept = { environment, runFolder: join(folder, "run"), isRunning: () => false };
    const tables = new DocumentTables({ loop: this.loop, ...kept });
    const documents = this.#resources.use(new DocumentKeeper(this.loop, tables, join(folder, "instances"), failed));
    this.timers = this.#resources.use(
      new Timers({
        loop: this.loop,
        buses,
        environment,
        decide,
        failed,
        installations: [join(folder, "data/dowel")],
        appOf: (id) => callingApp(join(folder, "instances"), id, ""),
        managed: true,
      }),
    );
    const services = {
      loop: this.loop,
      decide,
      decisionsChanged: fileChanges(this.loop, [join(folder, "decisions")]),
      failed,
      buses,
      environment,
      backends,
      updates,
      library,
      documents,
      timers: this.timers,
      pipewire: this.#resources.use(new PipewireServer(this.loop, { XDG_RUNTIME_DIR: folder }, folder)),
      questions: new Questions(),
      usb: {
        sysfs: join(folder, "usb"),
        udev: join(folder, "udev"),
        nodes: "/dev",
        watch: (_loop: EventLoop, tell: () => void) => {
          this.usbChanged = tell;
          return { [Symbol.dispose]: () => undefined };
        },
      },
    };
    const host = new PortalHost(services, join(folder, "instances"), makePortals(services), {
      ...(withDesktop ? { desktop: new Desktop(buses) } : {}),
      backends,
    });
    const policy = new BusPolicy();
    policy.allowCalls("org.freedesktop.portal.*", "*");
    const links = new Set<Link>();
    const listener = new Listener(this.loop, listenUnix({ path: this.socket }), (fd) => {
      const ready = (): void => link.attachFrom(() => connectBus([{ path: bus.socket }]));
      const link: Link = new Link(this.loop, fd, process.getuid?.() ?? 0, {
        policy,
        sloppyNames: false,
        traffic: noTraffic(),
        local: host.connect("org.example.App", "7", ready),
        ended: () => {
          links.delete(link);
          listener.released();
        },
      });
      links.add(link);
    });
    this.#resources.use(listener);
    this.#resources.defer(() => {
      for (const link of links) link[Symbol.dispose]();
    });
    this.#running = this.loop.runUntil(this.#end.promise);
  }

  static async start(portals: readonly Portal[], decide: Decide): Promise<PortalWorld> {
    const folder = mkdtempSync(join(tmpdir(), "dowel-portals-"));
    return new PortalWorld(folder, await startBus(folder), decide, () => portals, false);
  }

  /** With the portals of the service, and with what the bus has for a desktop. @param extra of the bus's configuration */
  static async device(decide: Decide, extra = ""): Promise<PortalWorld> {
    const folder = mkdtempSync(join(tmpdir(), "dowel-portals-"));
    return new PortalWorld(folder, await startBus(folder, extra), decide, servedPortals, true);
  }

  /** A file of the app's home, or of the maker. */
  file(path: string, text: string): string {
    const whole = join(this.folder, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(`${whole}.new`, text, { mode: 0o755 });
    renameSync(`${whole}.new`, whole);
    return whole;
  }

  /** What the launcher notes of the instance. */
  info(text: string): void {
    this.file("instances/7/info", text);
  }

  /** A program in the sandbox. */
  async client(): Promise<BusPeer> {
    return await BusPeer.connect(this.loop, [{ path: this.socket }]);
  }

  /** A program of the session, which is on the bus itself. */
  async peer(): Promise<BusPeer> {
    return await BusPeer.connect(this.loop, [{ path: this.bus.socket }]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resources[Symbol.dispose]();
    this.#end.resolve();
    await this.#running;
    this.loop[Symbol.dispose]();
    await this.bus[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true });
  }
}
