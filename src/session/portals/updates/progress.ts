// SPDX-License-Identifier: Apache-2.0
import type { DowelEvent } from "../../../base/events.ts";
import { type Variant, variant } from "../../../formats/dbus/types.ts";

/** `status` of `Progress`. */
const updateStatus = { running: 0, empty: 1, done: 2, failed: 3 } as const;

/** How far an update is; what `dowel update --json` prints goes in, what `Progress` tells comes out. Pure but for its state. */
export class UpdateProgress {
  readonly #ref: string;
  #operations = 0;
  #operation = 0;
  #percent = 0;
  #told = "";
  /** Why the app itself is left out; undefined where it is not. */
  held: readonly string[] | undefined;

  /** @param ref of the app */
  constructor(ref: string) {
    this.#ref = ref;
  }

  /** Takes an event; answers what to tell, undefined where nothing is new. */
  take(event: DowelEvent): ReadonlyMap<string, Variant> | undefined {
    if (event.type === "transaction.plan") this.#operations = event.operations.length;
    else if (event.type === "operation.skip" && event.ref === this.#ref) this.held ??= event.newPermissions;
    else if (event.type === "operation.start") this.#percent = 0;
    else if (event.type === "fetch.progress" && event.size > 0)
      this.#percent = Math.max(this.#percent, Math.min(99, Math.floor((100 * event.done) / event.size)));
    else if (event.type === "operation.done") {
      this.#operation = Math.min(this.#operation + 1, Math.max(0, this.#operations - 1));
      this.#percent = 100;
    }
    if (this.#operations === 0) return undefined;
    const now = `${this.#operation} ${this.#percent}`;
    if (now === this.#told) return undefined;
    this.#told = now;
    return this.#map(updateStatus.running);
  }

  /** What is told last. @param error undefined: it went well */
  end(error: { readonly name: string; readonly message: string } | undefined): ReadonlyMap<string, Variant> {
    if (error === undefined) return this.#map(this.#operations === 0 ? updateStatus.empty : updateStatus.done);
    return new Map([
      ...this.#map(updateStatus.failed),
      ["error", variant("s", error.name)],
      ["error_message", variant("s", error.message)],
    ]);
  }

  #map(status: number): ReadonlyMap<string, Variant> {
    return new Map([
      ["n_ops", variant("u", this.#operations)],
      ["op", variant("u", this.#operation)],
      ["progress", variant("u", status === updateStatus.done ? 100 : this.#percent)],
      ["status", variant("u", status)],
    ]);
  }
}
