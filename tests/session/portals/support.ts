// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBus } from "../../../src/dbus/connect.ts";
import { BusPeer } from "../../../src/dbus/peer.ts";
import { Listener } from "../../../src/loop/listener.ts";
import { EventLoop } from "../../../src/loop/loop.ts";
import { Link } from "../../../src/session/bus/link.ts";
import { BusPolicy } from "../../../src/session/bus/policy.ts";
import { noTraffic } from "../../../src/session/bus/stream.ts";
import type { Decide } from "../../../src/session/portals/decide.ts";
import { PortalHost } from "../../../src/session/portals/host.ts";
import type { Portal } from "../../../src/session/portals/portal.ts";
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
  readonly #end = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  readonly #resources = new DisposableStack();

  private constructor(folder: string, bus: TestBus, portals: readonly Portal[], decide: Decide) {
    this.folder = folder;
    this.bus = bus;
    this.socket = join(folder, "gateway");
    mkdirSync(join(folder, "instances/7"), { recursive: true });
    writeFileSync(join(folder, "instances/7/info"), "[Application]\nname=org.example.App\n");
    writeFileSync(join(folder, "instances/7/bwrapinfo.json"), JSON.stringify({ "child-pid": process.pid }));
    const failed = (error: unknown): number => this.failures.push(error);
    const host = new PortalHost(this.loop, join(folder, "instances"), decide, failed, portals);
    const policy = new BusPolicy();
    policy.allowCalls("org.freedesktop.portal.*", "*");
    const links = new Set<Link>();
    const listener = new Listener(this.loop, listenUnix({ path: this.socket }), (fd) => {
      const link = new Link(this.loop, fd, process.getuid?.() ?? 0, {
        policy,
        sloppyNames: false,
        traffic: noTraffic(),
        local: host.connect("org.example.App", "7"),
        ended: () => {
          links.delete(link);
          listener.released();
        },
      });
      links.add(link);
      link.attachBusFrom(() => connectBus([{ path: bus.socket }]));
    });
    this.#resources.use(listener);
    this.#resources.defer(() => {
      for (const link of links) link[Symbol.dispose]();
    });
    this.#running = this.loop.runUntil(this.#end.promise);
  }

  static async start(portals: readonly Portal[], decide: Decide): Promise<PortalWorld> {
    const folder = mkdtempSync(join(tmpdir(), "dowel-portals-"));
    return new PortalWorld(folder, await startBus(folder), portals, decide);
  }

  /** A program in the sandbox. */
  async client(): Promise<BusPeer> {
    return await BusPeer.connect(this.loop, [{ path: this.socket }]);
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
