// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { DowelEvent, Report } from "../base/events.ts";
import { execute } from "../engine/execute.ts";
import { placeForAdding, placesToRead } from "../engine/places.ts";
import { describePlan } from "../engine/plan.ts";
import type { Plan } from "../engine/types.ts";
import type { RefKind } from "../metadata/ref.ts";
import { askYesNo } from "../render/prompt.ts";
import { describeOperations } from "../render/reporter.ts";
import { nothing, type Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import { createInstallation, type Installation, openInstallation } from "../store/installation.ts";
import { type Context, withReporter } from "./context.ts";
import type { InstallationFlags, KindFlags, TransactionFlags } from "./flags.ts";

export type CommonFlags = InstallationFlags & KindFlags & TransactionFlags & { readonly json?: boolean };

export function installationChoice(flags: InstallationFlags) {
  return { user: flags.user, system: flags.system, names: flags.installation };
}

/** The installations that a command reads, in the order they are asked. */
export function installationsToRead(flags: InstallationFlags): readonly Installation[] {
  return placesToRead(installationChoice(flags)).map((place) => openInstallation(place));
}

/** The installation that a command adds to, made where it is missing. */
export function installationForAdding(flags: InstallationFlags): Installation {
  return createInstallation(placeForAdding(installationChoice(flags)));
}

export function kindOf(flags: KindFlags): RefKind | undefined {
  if (flags.app === flags.runtime) return undefined;
  return flags.app === true ? "app" : "runtime";
}

/** Shows what a plan will do and what it costs, and asks. Throws `ABORTED` where the answer is no. */
function confirm(context: Context, plan: Plan, installation: Installation): void {
  const { terminal } = context;
  terminal.err(describeOperations(describePlan(plan)));
  if (plan.downloadSize > 0) {
    terminal.err(
      `To fetch: at most ${formatSize(plan.downloadSize)}; on disk: at most ${formatSize(plan.installedSize)}\n`,
    );
  }
  if (askYesNo(terminal, `Proceed with these changes to the ${installation.name} installation?`)) return;
  const hint = terminal.canAsk ? {} : { hint: "Nobody can be asked here; give -y to go on without a question." };
  throw new DowelError("ABORTED", "Nothing was changed", hint);
}

/** What is to be done to one installation. */
export interface Transaction {
  readonly installation: Installation;
  readonly prepare: (report: Report) => Promise<Plan> | Plan;
  /** How many versions stay beside a new one, where that is not for the installation to say. */
  readonly keepVersions?: number | undefined;
  /** Events that a person need not see. */
  readonly hides?: (event: DowelEvent) => boolean;
}

/** Plans with events shown, asks unless told not to, and carries the plan out. Answers whether there was anything to do. */
async function runOne(context: Context, flags: CommonFlags, transaction: Transaction): Promise<boolean> {
  const { installation, prepare, keepVersions, hides = () => false } = transaction;
  const json = flags.json === true;
  const plan = await withReporter(context, json, async (report) => prepare(report));
  const asks = flags.assumeyes !== true && flags.noninteractive !== true && !json;
  if (plan.operations.length > 0 && asks) confirm(context, plan, installation);
  await withReporter(context, json, async (report) => {
    const told: Report = (event) => {
      const isHidden = (asks && event.type === "transaction.plan") || (!json && hides(event));
      if (!isHidden) report(event);
    };
    await execute(plan, installation, { report: told, signal: context.signal, keepVersions });
  });
  return plan.operations.length > 0 || plan.failed.length > 0;
}

/** Carries out transactions, one installation after the other; where none has anything to do, that is said once. */
export async function runTransactions(
  context: Context,
  flags: CommonFlags,
  transactions: readonly Transaction[],
): Promise<Result> {
  let idle = true;
  for (const transaction of transactions) if (await runOne(context, flags, transaction)) idle = false;
  if (idle) {
    await withReporter(context, flags.json === true, async (report) =>
      report({ type: "note", text: "Nothing to do." }),
    );
  }
  return nothing;
}
