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

/**
 * Whether a link that leads out is metered, from what `nmcli -t -f GENERAL.DEVICE,GENERAL.METERED,IP4.GATEWAY,IP6.GATEWAY
 * device show` prints: lines `FIELD:VALUE`, those of a device begin with its name. Undefined where no device says.
 */
export function readMetered(text: string): boolean | undefined {
  const devices: { metered: string; leadsOut: boolean }[] = [];
  for (const line of text.split("\n")) {
    const [, field = "", value = ""] = /^([A-Z0-9.]+):(.*)$/.exec(line) ?? [];
    if (field === "GENERAL.DEVICE") devices.push({ metered: "", leadsOut: false });
    const device = devices.at(-1);
    if (device === undefined) continue;
    if (field === "GENERAL.METERED") device.metered = value;
    if (field.endsWith(".GATEWAY") && value !== "" && value !== "--") device.leadsOut = true;
  }
  const words = devices.filter(({ leadsOut }) => leadsOut).map(({ metered }) => metered);
  const known = words.filter((word) => /^(yes|no)\b/.test(word));
  return known.length === 0 ? undefined : known.some((word) => word.startsWith("yes"));
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
