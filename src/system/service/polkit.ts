// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { variant } from "../../formats/dbus/types.ts";
import type { Job } from "./jobs.ts";

const authority = {
  destination: "org.freedesktop.PolicyKit1",
  path: "/org/freedesktop/PolicyKit1/Authority",
  interface: "org.freedesktop.PolicyKit1.Authority",
} as const;

/** CheckAuthorizationFlags of polkit(8). */
const allowInteraction = 1;

function refused(action: string, { caller, interactive }: Job, reason: string): DowelError {
  const way = interactive ? "" : " Without --noninteractive a password is asked for.";
  return new DowelError("NOT_PERMITTED", `User ${caller.uid} may not do this to the system's apps: ${reason}`, {
    hint: `The polkit action is ${action}.${way} Or use --user.`,
  });
}

/** polkit has been told that its answer is not wanted any more; a person who is asked need not answer. */
function withdraw(peer: BusPeer, cancellation: string): void {
  const call = { ...authority, member: "CancelCheckAuthorization", signature: "s", values: [cancellation] } as const;
  peer.call(call).catch(() => undefined);
}

async function check(
  peer: BusPeer,
  action: string,
  job: Job,
  signal: AbortSignal,
): Promise<{ readonly authorized: boolean; readonly challenge: boolean }> {
  const { caller, token, interactive } = job;
  const cancellation = `${caller.name} ${token} ${action}`;
  // The subject is the connection, which the bus ties to a process when it is made; a pid could be used again.
  const subject = ["system-bus-name", new Map([["name", variant("s", caller.name)]])] as const;
  const details = new Map([["installation", job.installation.name]]);
  const withdrawn = (): void => withdraw(peer, cancellation);
  signal.addEventListener("abort", withdrawn, { once: true });
  try {
    const [[authorized, challenge]] = await peer.call(
      {
        ...authority,
        member: "CheckAuthorization",
        signature: "(sa{sv})sa{ss}us",
        values: [subject, action, details, interactive ? allowInteraction : 0, cancellation],
        returns: "(bba{ss})",
      },
      { timeoutMilliseconds: Number.POSITIVE_INFINITY, signal },
    );
    return { authorized, challenge };
  } finally {
    signal.removeEventListener("abort", withdrawn);
  }
}

/**
 * Asks polkit whether the caller of a job has all rights, one after the other; a person may be asked for a password where
 * the caller agrees to that. Throws `NOT_PERMITTED`. Root has all rights.
 */
export async function requireRights(
  peer: BusPeer,
  rights: readonly string[],
  job: Job,
  signal: AbortSignal,
): Promise<void> {
  if (job.caller.uid === 0) return;
  for (const action of rights) {
    let answer: { readonly authorized: boolean; readonly challenge: boolean };
    try {
      answer = await check(peer, action, job, signal);
    } catch (error) {
      if (!(error instanceof BusCallError)) throw error;
      throw refused(action, job, `polkit does not answer (${error.message})`);
    }
    if (answer.authorized) continue;
    throw refused(
      action,
      job,
      answer.challenge ? "an administrator's password is needed" : "polkit does not permit it",
    );
  }
}
