// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, isDowelError } from "../../base/errors.ts";
import { askNetworkManager } from "../../dbus/networkmanager.ts";
import { systemBusAddress, withBus } from "../../dbus/reach.ts";
import type { PowerSupply } from "./conditions.ts";

const supplyFolder = "/sys/class/power_supply";

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (errnoOf(error) !== undefined) return "";
    throw error;
  }
}

/** What the kernel says of batteries and mains; empty where it has no such thing. */
export function powerSupplies(folder = supplyFolder): readonly PowerSupply[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) !== undefined) return [];
    throw error;
  }
  return names.map((name) => {
    const of = (file: string): string => read(join(folder, name, file));
    return { type: of("type"), scope: of("scope"), status: of("status"), online: of("online") };
  });
}

/** Whether NetworkManager takes the way out for metered; undefined without it, or where it cannot say. */
export async function isMetered(busAddress = systemBusAddress(), signal?: AbortSignal): Promise<boolean | undefined> {
  try {
    const { metered } = await withBus(busAddress, (peer) => askNetworkManager(peer, signal), signal);
    return metered;
  } catch (error) {
    if (!isDowelError(error)) throw error;
    return undefined;
  }
}
