// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../base/errors.ts";
import { type PowerSupply, readMetered } from "./conditions.ts";

const supplyFolder = "/sys/class/power_supply";
const fields = "GENERAL.DEVICE,GENERAL.METERED,IP4.GATEWAY,IP6.GATEWAY";
const timeout = 5000;

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

/** Whether NetworkManager takes the way out for metered; undefined without NetworkManager. */
export async function isMetered(signal?: AbortSignal): Promise<boolean | undefined> {
  return await new Promise((resolve) => {
    execFile(
      "nmcli",
      ["-t", "-f", fields, "device", "show"],
      { timeout, signal, env: { ...process.env, LC_ALL: "C" } },
      (error, stdout) => resolve(error === null ? readMetered(stdout) : undefined),
    );
  });
}
