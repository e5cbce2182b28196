// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { DowelError } from "../../base/errors.ts";
import { launcherPath } from "../../instances/launcher.ts";
import type { ParentNamespace } from "../../instances/parent.ts";
import { createSealedFile, replaceProcess } from "../../sys/process.ts";

export interface ExecOptions {
  /** Prints how long each step of the launcher takes. */
  readonly trace?: boolean | undefined;
  /** A descriptor that is told the instance's id. */
  readonly instanceIdFd?: number | undefined;
  /** Descriptors that the app keeps under their numbers. */
  readonly forwardFds?: readonly number[] | undefined;
  /** A file of variables for this start. */
  readonly forwardEnvironment?: number | undefined;
  readonly parent?: ParentNamespace | undefined;
}

/** The engine marks what it was started with to be closed; the launcher says of what is not open that it is not. */
function isOpen(fd: number | undefined): boolean {
  return fd !== undefined && existsSync(`/proc/self/fd/${fd}`);
}

/**
 * Becomes the launcher, which carries out an encoded plan; `words` are appended to its command. Returns only by
 * throwing `SANDBOX_FAILED`.
 */
export function execPlan(bytes: Uint8Array, words: readonly string[], options: ExecOptions = {}): never {
  const { trace, instanceIdFd, forwardFds = [], forwardEnvironment, parent } = options;
  const launcher = launcherPath();
  const told = [
    ...(trace === true ? ["--trace"] : []),
    ...(instanceIdFd === undefined ? [] : [`--instance-id-fd=${instanceIdFd}`]),
    ...forwardFds.map((fd) => `--forward-fd=${fd}`),
    ...(forwardEnvironment === undefined ? [] : [`--forward-env-fd=${forwardEnvironment}`]),
    ...(parent === undefined ? [] : [`--parent=${parent.fd}`]),
    ...(parent?.shared === true ? ["--share-pids"] : []),
  ];
  try {
    const plan = createSealedFile("plan", bytes);
    const passed = [instanceIdFd, forwardEnvironment, ...forwardFds].filter(isOpen);
    const kept = [plan, parent?.fd, ...passed].filter((fd) => fd !== undefined);
    replaceProcess(launcher, ["dowel-launch", ...told, String(plan), ...words], process.env, kept);
  } catch (cause) {
    throw new DowelError("SANDBOX_FAILED", `Cannot start the launcher ${launcher}`, {
      hint: "The installation of Dowel is incomplete; install it again.",
      cause,
    });
  }
}
