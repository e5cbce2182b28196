// SPDX-License-Identifier: Apache-2.0
import type { Variant } from "../../../formats/dbus/types.ts";

type Told = ReadonlyMap<string, ReadonlyMap<string, Variant>>;
/** What happened to a device, as the signal `DeviceEvents` has it. */
export type DeviceEvent = readonly [
  action: "add" | "change" | "remove",
  id: string,
  device: ReadonlyMap<string, Variant>,
];

/** What has happened between two looks. Pure. */
function deviceEvents(before: Told, after: Told): readonly DeviceEvent[] {
  return [
    ...[...before].filter(([id]) => !after.has(id)).map(([id, device]) => ["remove", id, device] as const),
    ...[...after].flatMap(([id, device]): DeviceEvent[] => {
      const known = before.get(id);
      if (known === undefined) return [["add", id, device]];
      return process.getBuiltinModule("node:util").isDeepStrictEqual(known, device) ? [] : [["change", id, device]];
    }),
  ];
}

/** What one session of an app has been told, one look after the other however often something changes. */
export class DeviceMonitor {
  readonly #look: () => Promise<Told>;
  readonly #tell: (events: readonly DeviceEvent[]) => void;
  #told: Told | undefined;
  #looking = false;
  #again = false;

  constructor(look: () => Promise<Told>, tell: (events: readonly DeviceEvent[]) => void) {
    this.#look = look;
    this.#tell = tell;
  }

  /** Looks, and tells what has changed; at first, also that there is nothing. Rejects as the look does. */
  async update(): Promise<void> {
    this.#again = true;
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#again) {
        this.#again = false;
        const now = await this.#look();
        const events = deviceEvents(this.#told ?? new Map(), now);
        if (events.length > 0 || this.#told === undefined) this.#tell(events);
        this.#told = now;
      }
    } finally {
      this.#looking = false;
    }
  }
}
