// SPDX-License-Identifier: Apache-2.0
import { type Report, silent } from "../base/events.ts";
import type { Person } from "../remotes/login/request.ts";
import type { Installation } from "../store/installation.ts";
import type { ExecuteOptions } from "./execute.ts";
import type { Plan } from "./types.ts";

/** A change of one installation. */
export interface Transaction {
  readonly installation: Installation;
  /** Plans it; `declined` are the full refs of apps whose successors are not wanted. */
  readonly prepare: (report: Report, declined: ReadonlySet<string>) => Promise<Plan> | Plan;
}

/** A place that was named for an install into an installation of all users, and of which no policy says who must sign. */
export interface UndecidedPlace {
  readonly url: string;
  /** What comes from there, as `REF sha256:HEX`. */
  readonly images: readonly string[];
}

/** What a person is asked before anything is changed; each may throw `ABORTED`. */
export interface Questions {
  /** Whether an app that is no longer maintained is replaced by what it names. */
  readonly replaces: (ref: string, successor: string) => boolean;
  /** Whether images of a place that no policy names are taken as they are, now and for updates, for all users. */
  readonly trusts: (place: UndecidedPlace) => boolean;
  /** Agrees to a plan, which has been reported. */
  readonly confirms: (plan: Plan, installation: Installation) => void;
}

/** How an agreed plan is carried out, where it is not by this process. */
export type CarryOut = (
  plan: Plan,
  how: Pick<TransactOptions, "noDeploy" | "noPull" | "keepVersions" | "sideloadRepos">,
) => Promise<void>;

export interface TransactOptions extends Pick<ExecuteOptions, "noDeploy" | "noPull" | "keepVersions" | "signal"> {
  /** Undefined: this process does it. */
  readonly carryOut?: CarryOut | undefined;
  /** Undefined: everything is agreed to. */
  readonly questions?: Questions | undefined;
  /** Who logs in where a remote's authenticator asks; undefined: nobody is disturbed. */
  readonly person?: Person | undefined;
  /** No remote's authenticator is asked. */
  readonly withoutLogin?: boolean | undefined;
  /** Layouts to take images from, where they have them. */
  readonly sideloadRepos?: readonly string[] | undefined;
  /** Takes what happens while it is prepared, and while it is carried out. */
  readonly report?: Report | undefined;
}

async function prepareWithConsent(
  { prepare }: Transaction,
  report: Report,
  questions: Questions | undefined,
): Promise<Plan> {
  const plan = await prepare(report, new Set());
  if (questions === undefined || plan.rebases.size === 0) return plan;
  const declined = [...plan.rebases].filter(([ref, successor]) => !questions.replaces(ref, successor));
  return declined.length === 0 ? plan : await prepare(report, new Set(declined.map(([ref]) => ref)));
}

/**
 * Plans a transaction, works out what it costs, asks, and carries it out. Throws `ABORTED` where the answer is no;
 * nothing has been changed then. Answers the plan.
 */
export async function transact(transaction: Transaction, options: TransactOptions = {}): Promise<Plan> {
  const { installation } = transaction;
  const { report = silent, questions } = options;
  const wished = await prepareWithConsent(transaction, report, questions);
  if (wished.operations.length > 0) {
    // What that takes is loaded only now: most checks find nothing.
    const { carryOutPlan } = await import("./carryout.ts");
    return await carryOutPlan(wished, installation, options, transact);
  }
  report({ type: "transaction.plan", operations: [] });
  const { tellIdle } = await import("./outcome.ts");
  tellIdle(wished, report);
  return wished;
}
