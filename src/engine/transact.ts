// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import type { Person } from "../remotes/login/request.ts";
import { isUndecided } from "../remotes/trust/choice.ts";
import { findDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { ExecuteOptions } from "./execute.ts";
import { tellIdle } from "./outcome.ts";
import { describePlan } from "./plan.ts";
import { findSideloads, mediaFolders, sideloadPlace } from "./sideload.ts";
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

function undecidedPlaces(plan: Plan, installation: Installation): readonly UndecidedPlace[] {
  const places = new Map<string, string[]>();
  for (const operation of plan.operations) {
    if (operation.operation === "uninstall" || operation.newRemote === undefined) continue;
    const { url, gpgKey } = operation.newRemote;
    if (gpgKey !== undefined || !isUndecided(installation, url)) continue;
    const image = `${formatRef(operation.ref)} sha256:${operation.image.commit}`;
    places.set(url, [...(places.get(url) ?? []), image]);
  }
  return [...places].map(([url, images]) => ({ url, images }));
}

/**
 * Who names a place for an install may trust it at its first use. Where all users would run what comes from there, that
 * is asked for by itself, and never goes without saying. Throws `POLICY_REFUSED`, or `ABORTED` where the answer is no.
 */
function askForTrust(plan: Plan, installation: Installation, questions: Questions | undefined): void {
  for (const place of undecidedPlaces(plan, installation)) {
    if (questions === undefined) {
      const text = `${place.url}: nothing says who must have signed its images, and all users would run them`;
      throw new DowelError("POLICY_REFUSED", text, {
        hint: "Add it as a remote with --verify=key, gpg, keyless or none; or answer the question on a terminal, without -y.",
      });
    }
    if (!questions.trusts(place)) throw new DowelError("ABORTED", "Nothing was changed");
  }
}

/**
 * Installs the programs that log in to the plan's remotes, as far as those are set to bring theirs: as Flatpak, the branch
 * `autoinstall` of the app that is named as the program is. A remote that has no such app relies on the host's.
 */
async function installAuthenticators(plan: Plan, installation: Installation, options: TransactOptions): Promise<void> {
  if (options.noPull === true || options.noDeploy === true) return;
  const [{ remotesToLogIn }, { prepareInstall }] = await Promise.all([
    import("./tokens.ts"),
    import("./prepareinstall.ts"),
  ]);
  const { signal } = options;
  for (const { name, authenticatorName: id = "", authenticatorInstall } of remotesToLogIn(plan, installation).keys()) {
    const isHere =
      findDeployments(installation, { kind: "app", id, arch: undefined, branch: "autoinstall" }).length > 0;
    if (authenticatorInstall !== true || isHere) continue;
    const prepare = (report: Report) =>
      prepareInstall(installation, [name, `app/${id}//autoinstall`], { report, signal });
    try {
      await transact({ installation, prepare }, { ...options, withoutLogin: true });
    } catch (error) {
      if (!isDowelError(error, "REF_NOT_FOUND")) throw error;
    }
  }
}

/** Works out what a plan costs, asks, and carries it out. What that takes is loaded only now: most checks find nothing. */
async function carryOutPlan(wished: Plan, installation: Installation, options: TransactOptions): Promise<Plan> {
  const { report = silent, signal, noPull, noDeploy, keepVersions, questions, carryOut, sideloadRepos } = options;
  const [{ measurePlan }, { execute }, { withTokens }] = await Promise.all([
    import("./cost.ts"),
    import("./execute.ts"),
    import("./tokens.ts"),
  ]);
  const sideloads = await findSideloads((sideloadRepos ?? []).map(sideloadPlace), mediaFolders(installation), {
    report,
    signal,
  });
  const logsIn = noPull !== true && options.withoutLogin !== true;
  if (logsIn) await installAuthenticators(wished, installation, options);
  const wanted = logsIn ? await withTokens(wished, installation, options) : wished;
  const { plan, loaded } =
    noPull === true
      ? { plan: wished, loaded: undefined }
      : await measurePlan(wanted, installation, { sideloads, signal });
  report({ type: "transaction.plan", operations: describePlan(plan) });
  askForTrust(plan, installation, questions);
  questions?.confirms(plan, installation);
  const how = { noPull, noDeploy, keepVersions };
  if (carryOut !== undefined) await carryOut(plan, { ...how, sideloadRepos });
  else await execute(plan, installation, { ...how, sideloads, loaded, announced: true, report, signal });
  return plan;
}

/**
 * Plans a transaction, works out what it costs, asks, and carries it out. Throws `ABORTED` where the answer is no;
 * nothing has been changed then. Answers the plan.
 */
export async function transact(transaction: Transaction, options: TransactOptions = {}): Promise<Plan> {
  const { installation } = transaction;
  const { report = silent, questions } = options;
  const wished = await prepareWithConsent(transaction, report, questions);
  if (wished.operations.length > 0) return await carryOutPlan(wished, installation, options);
  report({ type: "transaction.plan", operations: [] });
  tellIdle(wished, report);
  return wished;
}
