// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { DowelError, isDowelError } from "../../base/errors.ts";
import { latin1 } from "../../formats/dbus/header.ts";
import { launcherPath } from "../../instances/launcher.ts";
import type { Bus } from "../../metadata/permissions/names.ts";
import { createSealedFile } from "../../sys/process.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import { askStatus, exchange, type InstanceStatus } from "./status.ts";

/** What `plumbing bus-policy` prints: for each bus that is filtered the options of xdg-dbus-proxy(1). */
export interface PrintedPolicy {
  readonly app: string;
  readonly buses: Readonly<Partial<Record<Bus, readonly string[]>>>;
}

const request = "policy ";

/** The instance that a packet is about that changes a policy, which comes along as a file; undefined for other packets. */
export function policyNumber(packet: Uint8Array, length: number): string | undefined {
  const text = latin1(packet, 0, length);
  return text.startsWith(request) ? text.slice(request.length) : undefined;
}

/** The policy of a start with these words behind `run`, as overrides and everything else have it now. */
export async function policyFor(words: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  const options = signal === undefined ? {} : { signal };
  const { stdout } = await promisify(execFile)(launcherPath(), ["plumbing", "bus-policy", ...words], options);
  const { app, buses } = JSON.parse(stdout) as PrintedPolicy;
  const rules = Object.entries(buses).flatMap(([bus, rule]) => [bus, ...rule]);
  return [app, ...rules, "run", ...words].map((word) => `${word}\0`).join("");
}

function sendPolicy(socket: string, instance: InstanceStatus, text: string): void {
  const policy = createSealedFile("policy", Buffer.from(text));
  try {
    exchange(socket, `${request}${instance.instance}`, [policy]);
  } finally {
    closeDescriptors([policy]);
  }
}

/**
 * Lets running instances of an app, or of all, follow what its permissions say now: what they may do on the buses that
 * they have. Answers those that could not.
 */
export async function renewPolicies(
  socket: string,
  app: string | undefined,
  signal?: AbortSignal,
): Promise<readonly InstanceStatus[]> {
  const failed: InstanceStatus[] = [];
  for (const instance of running(socket)) {
    if (app !== undefined && instance.app !== app) continue;
    try {
      if (instance.words === undefined) throw new DowelError("UNSUPPORTED", "Descriptors are part of its permissions");
      sendPolicy(socket, instance, await policyFor(instance.words, signal));
    } catch {
      failed.push(instance);
    }
  }
  return failed;
}

function running(socket: string): readonly InstanceStatus[] {
  try {
    return askStatus(socket).instances;
  } catch (error) {
    if (isDowelError(error, "SESSION_UNREACHABLE")) return [];
    throw error;
  }
}
