// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Seen } from "./view.ts";

/** An object that a client has, by what it may do with it. */
export type Kind = "core" | "client" | "registry" | "node" | "port" | "clientNode" | "readOnly" | "nothing";

export interface Held {
  readonly kind: Kind;
  /** Whether it is the client's own. */
  readonly own: boolean;
  /** What a registry has shown, by number. */
  readonly shown: Map<number, Seen>;
  /** The class of a node that the client made; it keeps it. */
  readonly mediaClass: string;
  /** Its number in the registry, once that is known. */
  global: number | undefined;
}

function held(kind: Kind, own: boolean, mediaClass = ""): Held {
  return { kind, own, shown: new Map(), mediaClass, global: undefined };
}

/** What one client has bound and made, by the numbers that it gave. A number is free again when PipeWire says so. */
export class HeldObjects {
  readonly #held = new Map<number, Held>([
    [0, held("core", false)],
    [1, held("client", true)],
  ]);
  #registries = 0;

  get(id: number): Held | undefined {
    return this.#held.get(id);
  }

  /** Throws `SOUND_PROTOCOL` for a number that is taken, or too many. */
  add(id: number, kind: Kind, own: boolean, mediaClass = ""): void {
    if (id < 2 || this.#held.has(id)) throw new DowelError("SOUND_PROTOCOL", `The object ${id} is there already`);
    if (kind === "registry") this.#registries++;
    if (this.#held.size >= limits.pipewireObjects || this.#registries > limits.pipewireRegistries)
      throw new DowelError("SOUND_PROTOCOL", `A connection to PipeWire has more than ${this.#held.size} objects`);
    this.#held.set(id, held(kind, own, mediaClass));
  }

  remove(id: number): void {
    if (id < 2) return;
    if (this.#held.get(id)?.kind === "registry") this.#registries--;
    this.#held.delete(id);
  }

  /** The client's number in the registry. */
  get ownClient(): number | undefined {
    return this.#held.get(1)?.global;
  }
}
