// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { BusPeer } from "../../src/dbus/peer.ts";
import { EventLoop } from "../../src/loop/loop.ts";

/** The numbers of the instances that run, below a run folder. */
export function instancesIn(runFolder: string): string[] {
  return readdirSync(`${runFolder}/.flatpak`).filter((name) => /^[0-9]+$/.test(name));
}

/** A client of an instance's session bus: to the service it is a program of the app, as whoever comes by that socket is. */
export class AppClient implements AsyncDisposable {
  readonly #loop = new EventLoop();
  readonly #end = Promise.withResolvers<void>();
  readonly #running = this.#loop.runUntil(this.#end.promise);
  readonly #peers: BusPeer[] = [];

  /** @param instance its folder */
  async connect(instance: string): Promise<BusPeer> {
    const peer = await BusPeer.connect(this.#loop, [{ path: `${instance}/session-bus` }]);
    this.#peers.push(peer);
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer[Symbol.dispose]();
    this.#end.resolve();
    await this.#running;
    this.#loop[Symbol.dispose]();
  }
}
