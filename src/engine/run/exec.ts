// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { launcherPath } from "../../instances/launcher.ts";
import { createSealedFile, replaceProcess } from "../../sys/process.ts";

/**
 * Becomes the launcher, which carries out an encoded plan; `words` are appended to its command. With `trace` it prints
 * how long each of its steps takes; `instanceIdFd` is a descriptor that it tells the instance's id. Returns only by
 * throwing `SANDBOX_FAILED`.
 */
export function execPlan(bytes: Uint8Array, words: readonly string[], trace = false, instanceIdFd?: number): never {
  const launcher = launcherPath();
  const options = trace ? ["--trace"] : [];
  if (instanceIdFd !== undefined) options.push(`--instance-id-fd=${instanceIdFd}`);
  try {
    const plan = createSealedFile("plan", bytes);
    replaceProcess(launcher, ["dowel-launch", ...options, String(plan), ...words], process.env, [plan]);
  } catch (cause) {
    throw new DowelError("SANDBOX_FAILED", `Cannot start the launcher ${launcher}`, {
      hint: "The installation of Dowel is incomplete; install it again.",
      cause,
    });
  }
}
