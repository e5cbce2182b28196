// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import type { MessageHeader } from "../../formats/dbus/header.ts";
import { type BusPolicy, level } from "./policy.ts";

export const busName = "org.freedesktop.DBus";

/**
 * What one client may do with which peer. A unique name has the rights of the names that it owns now: it loses them with
 * the name, unlike in xdg-dbus-proxy.
 */
export class Peers {
  readonly #policy: BusPolicy;
  /** Names of the policy by their owner's unique name. */
  readonly #owned = new Map<string, Set<string>>();
  /** Unique names that sent this client something. */
  readonly #visible = new Set<string>();
  /** The client's own unique name; "" before the bus has given one. */
  own = "";

  constructor(policy: BusPolicy) {
    this.#policy = policy;
  }

  /** A name that the policy knows has another owner; "" for none. */
  setOwner(name: string, before: string, now: string): void {
    const names = this.#owned.get(before);
    names?.delete(name);
    if (names?.size === 0) this.#owned.delete(before);
    if (now === "") return;
    const others = this.#owned.get(now);
    if (others === undefined) this.#owned.set(now, new Set([name]));
    else others.add(name);
  }

  /** The unique name behind a name that the policy knows; undefined where nobody is known to have it. */
  ownerOf(name: string): string | undefined {
    for (const [owner, names] of this.#owned) if (names.has(name)) return owner;
    return undefined;
  }

  /** Lets the client see who sent it something; the oldest is forgotten where there are too many. */
  show(unique: string): void {
    if (this.#visible.has(unique)) return;
    this.#visible.add(unique);
    if (this.#visible.size <= limits.busVisiblePeers) return;
    for (const oldest of this.#visible) {
      this.#visible.delete(oldest);
      return;
    }
  }

  /** A unique name that went away is never given again. */
  forget(unique: string): void {
    this.#visible.delete(unique);
    this.#owned.delete(unique);
  }

  levelOf(name: string): number {
    if (name === busName || (name === this.own && name !== "")) return level.talk;
    if (!name.startsWith(":")) return this.#policy.levelOf(name);
    let result: number = this.#visible.has(name) ? level.see : level.none;
    for (const one of this.#owned.get(name) ?? []) result = Math.max(result, this.#policy.levelOf(one));
    return result;
  }

  #some(name: string, accept: (wellKnown: string) => boolean): boolean {
    if (!name.startsWith(":")) return accept(name);
    const names = this.#owned.get(name);
    if (names === undefined) return false;
    for (const one of names) if (accept(one)) return true;
    return false;
  }

  allowsCall(name: string, header: MessageHeader): boolean {
    return name === this.own || this.#some(name, (one) => this.#policy.allowsCall(one, header));
  }

  allowsBroadcast(sender: string, header: MessageHeader): boolean {
    return sender === this.own || this.#some(sender, (one) => this.#policy.allowsBroadcast(one, header));
  }
}
