// SPDX-License-Identifier: Apache-2.0
import { BusCallError } from "../../src/dbus/errors.ts";
import { BusPeer } from "../../src/dbus/peer.ts";
import { parseBusAddress } from "../../src/formats/dbus/address.ts";
import { EventLoop } from "../../src/loop/loop.ts";
import { Served } from "../e2e/served.ts";
import { appRef, makeLayout, runtimeRef, type Sandpit, startRegistry } from "../e2e/support.ts";
import { mayAll } from "../support/systembus.ts";

export const systemService = {
  destination: "org.dowel.System1",
  path: "/org/dowel/System1",
  interface: "org.dowel.System1",
};

/** The change that installs the app. */
export const install = {
  kind: "transaction",
  requests: [{ kind: "install", ref: appRef, remote: "apps" }],
  options: { declined: [] },
  newRemotes: [],
  noPull: false,
  noDeploy: false,
};

export interface ChangeOutcome {
  readonly error?: string;
  readonly text?: string;
  readonly changed?: boolean;
}

/** A served system installation with a remote `apps` that has an app and its runtime, and a user who may do all. */
export class Shop implements AsyncDisposable {
  readonly served: Served;
  readonly user: Sandpit;
  /** What the remote has, as a layout. */
  readonly layout: string;
  readonly #stopRegistry: () => Promise<unknown>;
  readonly #commits: { readonly app: string; readonly runtime: string };

  private constructor(served: Served, layout: string, address: string, stopRegistry: () => Promise<unknown>) {
    this.served = served;
    this.layout = layout;
    this.#stopRegistry = stopRegistry;
    const namespace = `oci+http://${address}/apps`;
    served.host.succeed(["push", `oci:${layout}`, namespace]);
    this.user = served.user(mayAll);
    this.user.succeed(["remote-add", "--system", "--verify=none", "apps", namespace]);
    const commitOf = (name: string): string =>
      this.user.succeed(["remote-info", "--system", "--show-commit", "apps", name]).trim();
    this.#commits = { app: commitOf("org.example.Probe"), runtime: commitOf("org.example.Platform") };
  }

  static async open(): Promise<Shop> {
    const served = await Served.start();
    const registry = await startRegistry(served.host, served.host.path("registry"));
    return new Shop(served, makeLayout(served.host.path("images")), registry.address, () => registry.stop());
  }

  /** The folder of the served installation. */
  get system(): string {
    return this.served.host.path("system");
  }

  get commit(): string {
    return this.#commits.app;
  }

  /** What a user agrees to who sees the plan of `install`, or of another operation on both. */
  accepted(operation = "install") {
    return [
      { operation, ref: runtimeRef, commit: this.#commits.runtime, origin: "apps" },
      { operation, ref: appRef, commit: this.#commits.app, origin: "apps" },
    ];
  }

  installed(): string {
    return this.served.host.succeed(["list", "--system"]);
  }

  uninstallAll(): void {
    this.served.host.succeed(["uninstall", "--system", "-y", "--all"]);
  }

  /** Calls `Change` as root, whom polkit asks nothing: what is refused is refused for what it is. */
  async change(wanted: unknown, media: readonly number[] = []): Promise<ChangeOutcome> {
    using loop = new EventLoop();
    using peer = await loop.runUntil(BusPeer.connect(loop, parseBusAddress(this.served.bus.address)));
    const json = typeof wanted === "string" ? wanted : JSON.stringify(wanted);
    const values = ["job1", "default", this.system, json, media] as const;
    const call = { ...systemService, member: "Change", signature: "ssssah", values, returns: "b" } as const;
    try {
      const [changed] = await loop.runUntil(peer.call(call, { timeoutMilliseconds: Number.POSITIVE_INFINITY }));
      return { changed };
    } catch (error) {
      if (!(error instanceof BusCallError)) throw error;
      return { error: error.errorName.replace("org.dowel.Error.", ""), text: error.message };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopRegistry();
    await this.served[Symbol.asyncDispose]();
  }
}
