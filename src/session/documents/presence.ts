// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import type { HostBuses } from "../portals/buses.ts";
import { documentPortal } from "./portal.ts";
import { hasDocumentPortal } from "./reach.ts";

/** The document portal of the session, if there is one; asked once for each of its owners. */
export class DocumentPortal {
  readonly #buses: HostBuses;
  #known: Promise<boolean> | undefined;

  constructor(buses: HostBuses) {
    this.#buses = buses;
  }

  async isThere(): Promise<boolean> {
    this.#known ??= this.#ask();
    return await this.#known;
  }

  async #ask(): Promise<boolean> {
    const forget = (): void => {
      this.#known = undefined;
    };
    try {
      const peer = await this.#buses.connect("session");
      const found = await hasDocumentPortal(peer);
      await peer.watchOwner(documentPortal.destination, forget);
      peer.ended.addEventListener("abort", forget);
      return found;
    } catch (error) {
      forget();
      if (isDowelError(error)) return false;
      throw error;
    }
  }
}
