// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import { isUndecided } from "../remotes/trust/choice.ts";
import { findDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { measurePlan } from "./cost.ts";
import { execute } from "./execute.ts";
import { mediaFolders } from "./media.ts";
import { describePlan } from "./plan.ts";
import { prepareInstall } from "./prepareinstall.ts";
import { findSideloads, sideloadPlace } from "./sideload.ts";
import { remotesToLogIn, withTokens } from "./tokens.ts";
import type { Questions, Transaction, TransactOptions, UndecidedPlace } from "./transact.ts";
import type { Plan } from "./types.ts";

type Transact = (transaction: Transaction, options: TransactOptions) => Promise<Plan>;

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
async function installAuthenticators(
  plan: Plan,
  installation: Installation,
  options: TransactOptions,
  transact: Transact,
): Promise<void> {
  if (options.noPull === true || options.noDeploy === true) return;
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

/** Works out what a plan costs, asks, and carries it out; `transact` installs what that turns out to need. */
export async function carryOutPlan(
  wished: Plan,
  installation: Installation,
  options: TransactOptions,
  transact: Transact,
): Promise<Plan> {
  const { report = silent, signal, noPull, noDeploy, keepVersions, questions, carryOut, sideloadRepos } = options;
  const sideloads = await findSideloads((sideloadRepos ?? []).map(sideloadPlace), mediaFolders(installation), {
    report,
    signal,
  });
  const logsIn = noPull !== true && options.withoutLogin !== true;
  if (logsIn) await installAuthenticators(wished, installation, options, transact);
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
