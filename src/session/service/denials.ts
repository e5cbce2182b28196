// SPDX-License-Identifier: Apache-2.0
import type { Bus } from "../../metadata/permissions/names.ts";

export interface Denial {
  readonly bus: Bus;
  /** Whom the message was for; empty for the bus itself. */
  readonly name: string;
  readonly call: string;
  readonly path: string;
  /** What the app got; empty where it got `false` or nothing. */
  readonly error: string;
}

export interface CountedDenial extends Denial {
  readonly count: number;
}

const kept = 100;

/** What an app was denied: each kind once with its count, the newest last, the oldest forgotten. */
export class Denials {
  readonly #counted = new Map<string, CountedDenial>();

  add(denial: Denial): void {
    const key = JSON.stringify([denial.bus, denial.name, denial.call, denial.path]);
    const count = (this.#counted.get(key)?.count ?? 0) + 1;
    this.#counted.delete(key);
    this.#counted.set(key, { ...denial, count });
    if (this.#counted.size <= kept) return;
    for (const oldest of this.#counted.keys()) {
      this.#counted.delete(oldest);
      return;
    }
  }

  get list(): readonly CountedDenial[] {
    return [...this.#counted.values()];
  }
}
