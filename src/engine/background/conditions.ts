// SPDX-License-Identifier: Apache-2.0

/** One device of `/sys/class/power_supply`, by its files `type`, `scope`, `status` and `online`. */
export interface PowerSupply {
  readonly type: string;
  readonly scope: string;
  readonly status: string;
  readonly online: string;
}

/** What decides whether updates may run without anybody waiting for them. */
export interface BackgroundFacts {
  readonly supplies: readonly PowerSupply[];
  /** Undefined where nobody knows. */
  readonly metered: boolean | undefined;
  readonly updateOnBattery: boolean;
  readonly updateOnMetered: boolean;
}

/** Whether the machine runs from its battery. Batteries of mice and the like do not count. */
export function isOnBattery(supplies: readonly PowerSupply[]): boolean {
  const own = supplies.filter(({ scope }) => scope !== "Device");
  if (own.some(({ type, online }) => type !== "Battery" && online === "1")) return false;
  return own.some(({ type, status }) => type === "Battery" && status === "Discharging");
}

/** Why nothing is updated now; undefined where it may be. A link that nobody knows anything of is not metered. */
export function whyNotNow(facts: BackgroundFacts): string | undefined {
  if (!facts.updateOnBattery && isOnBattery(facts.supplies)) {
    return "the machine runs from its battery (config update-on-battery is not true)";
  }
  if (!facts.updateOnMetered && facts.metered === true) {
    return "the network is metered (config update-on-metered is not true)";
  }
  return undefined;
}
