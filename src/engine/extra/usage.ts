// SPDX-License-Identifier: Apache-2.0
import { constants, lstatSync, readdirSync } from "node:fs";
import { errnoOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { Descriptor } from "../../sys/beneath.ts";

interface Usage {
  bytes: number;
  entries: number;
}

/** What can be counted of a folder that its owner changes meanwhile: what goes away under the hand is passed over. */
function count(folder: Descriptor, depth: number, usage: Usage): void {
  for (const { name } of readdirSync(folder.path, { withFileTypes: true })) {
    try {
      const status = lstatSync(`${folder.path}/${name}`);
      usage.entries += 1;
      usage.bytes += status.isFile() ? Math.max(status.size, status.blocks * 512) : 0;
      if (!status.isDirectory() || depth >= limits.pathDepth) continue;
      using below = Descriptor.beneath(folder, name, constants.O_RDONLY | constants.O_DIRECTORY);
      count(below, depth + 1, usage);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
    if (isTooMuch(usage)) return;
  }
}

function isTooMuch({ bytes, entries }: Usage): boolean {
  return bytes > limits.extraDataBytes || entries > limits.extraDataEntries;
}

/** Whether a folder holds more than extra data may, by size or by number. */
export function holdsTooMuch(path: string): boolean {
  using folder = Descriptor.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  const usage = { bytes: 0, entries: 0 };
  count(folder, 1, usage);
  return isTooMuch(usage);
}
