// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { DowelError, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { latin1 } from "../../formats/dbus/header.ts";
import { launcherPath } from "../../instances/launcher.ts";
import type { Bus } from "../../metadata/permissions/names.ts";
import { decodeKept } from "./answer.ts";
import { exchangePatiently } from "./status.ts";

/** What `plumbing bus-policy` prints: for each bus that is filtered the options of xdg-dbus-proxy(1). */
export interface PrintedPolicy {
  readonly app: string;
  readonly buses: Readonly<Partial<Record<Bus, readonly string[]>>>;
}

/** An instance that keeps the policy that it has. */
export interface KeptPolicy {
  readonly app: string;
  readonly instance: string;
}

const question = "follow ";
const everybody = "*";

/** Whose overrides a packet says have changed: an app's, or with `undefined` all apps'; no answer for other packets. */
export function followedApp(packet: Uint8Array, length: number): { readonly app: string | undefined } | undefined {
  const text = latin1(packet, 0, length);
  if (!text.startsWith(question)) return undefined;
  const app = text.slice(question.length);
  return { app: app === everybody ? undefined : app };
}

/**
 * Lets running instances of an app, or of all, follow what its permissions say now: what they may do on the buses that
 * they have. Answers those that could not. The service does it; where there is none, nothing that runs has a bus. Throws
 * `SESSION_PROTOCOL` where its answer makes no sense.
 */
export async function followOverrides(
  socket: string,
  app: string | undefined,
  signal: AbortSignal,
): Promise<readonly KeptPolicy[]> {
  try {
    return decodeKept(socket, await exchangePatiently(socket, `${question}${app ?? everybody}`, signal));
  } catch (error) {
    if (isDowelError(error, "SESSION_UNREACHABLE")) return [];
    throw error;
  }
}

function policyText(words: readonly string[], { app, buses }: PrintedPolicy): string {
  const rules = Object.entries(buses).flatMap(([bus, rule]) => [bus, ...rule]);
  return [app, ...rules, "run", ...words].map((word) => `${word}\0`).join("");
}

/**
 * The policies of starts with these words behind `run`, as overrides and everything else have them now, made by one
 * process; an error in place of those that cannot be made. Rejects where that process fails.
 */
export async function policiesFor(
  starts: readonly (readonly string[])[],
  signal: AbortSignal,
): Promise<readonly (string | DowelError)[]> {
  const printed = await askProgram(JSON.stringify(starts), signal);
  const answers = JSON.parse(printed) as readonly (PrintedPolicy | { readonly error: string })[];
  return starts.map((words, index) => {
    const answer = answers[index];
    if (answer !== undefined && "app" in answer) return policyText(words, answer);
    return new DowelError("UNSUPPORTED", `No policy for ${words.join(" ")}: ${answer?.error ?? "there is no answer"}`);
  });
}

async function askProgram(input: string, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { signal, maxBuffer: limits.busPoliciesBytes };
  const child = execFile(launcherPath(), ["plumbing", "bus-policies"], options, (error, stdout) => {
    if (error === null) resolve(stdout);
    else reject(error);
  });
  // Where it ends without reading, the callback says so.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return await promise;
}
