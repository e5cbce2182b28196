// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { fileError, isDowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import { formatRef } from "../../metadata/ref.ts";
import { listDeployments } from "../../store/deployments.ts";
import type { Installation } from "../../store/installation.ts";
import { readSettings } from "../../store/settings.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { shownName } from "../places.ts";
import { prepareUpdate, type UpdateOptions } from "../prepareupdate.ts";
import { type CarryOut, transact } from "../transact.ts";
import type { Plan } from "../types.ts";
import { whyNotNow } from "./conditions.ts";
import { isMetered, powerSupplies } from "./probe.ts";

/** A ref and its versions: 64 hex digits, empty for what was not there or is not there any more. */
interface Changed {
  readonly ref: string;
  readonly from: string;
  readonly to: string;
}

/** What a background update of one installation did; kept in `INSTALLATION/background.json`. */
export interface BackgroundSummary {
  /** Seconds since the epoch. */
  readonly time: number;
  readonly installation: string;
  /** Why nothing was done; absent where it was. */
  readonly postponed?: string;
  readonly changed: readonly Changed[];
  /** Updates that wait for `dowel update`, where a person is asked, and why. */
  readonly held: readonly { readonly ref: string; readonly newPermissions: readonly string[] }[];
  readonly failure?: { readonly code: string; readonly message: string };
}

export interface BackgroundOptions extends UpdateOptions {
  /** Where it is not this process that changes the installation; then no summary is kept either. */
  readonly carryOut?: CarryOut | undefined;
  /** Where the machine says how it is powered and connected; undefined: `/sys/class/power_supply` and the system bus. */
  readonly machine?: { readonly powerSupplies?: string; readonly systemBus?: string } | undefined;
}

function versions(installation: Installation): ReadonlyMap<string, string> {
  return new Map(listDeployments(installation).map(({ ref, commit }) => [formatRef(ref), commit]));
}

function changedBetween(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly Changed[] {
  const refs = [...new Set([...before.keys(), ...after.keys()])].sort();
  return refs.flatMap((ref) => {
    const [from = "", to = ""] = [before.get(ref), after.get(ref)];
    return from === to ? [] : [{ ref, from, to }];
  });
}

function heldIn(plan: Plan): BackgroundSummary["held"] {
  return plan.skipped.flatMap(({ ref, newPermissions }) =>
    newPermissions === undefined ? [] : [{ ref: formatRef(ref), newPermissions }],
  );
}

async function postponement(
  installation: Installation,
  { machine, signal }: BackgroundOptions,
): Promise<string | undefined> {
  const settings = readSettings(installation);
  const updateOnMetered = settings.get("updateOnMetered")?.[0] === "true";
  const updateOnBattery = settings.get("updateOnBattery")?.[0] === "true";
  const metered = updateOnMetered ? undefined : await isMetered(machine?.systemBus, signal);
  return whyNotNow({ supplies: powerSupplies(machine?.powerSupplies), metered, updateOnMetered, updateOnBattery });
}

/** Updates; a failure is part of the answer, as whatever could be updated has been. */
async function update(installation: Installation, options: BackgroundOptions) {
  let plan: Plan | undefined;
  const prepare = async (report: Report): Promise<Plan> => {
    plan = await prepareUpdate(installation, [], { ...options, holdGrowth: true, report });
    return plan;
  };
  try {
    const { carryOut, report, signal } = options;
    await transact({ installation, prepare }, { carryOut, report, signal });
    return { held: plan === undefined ? [] : heldIn(plan) };
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    const { code, message } = error;
    return { held: plan === undefined ? [] : heldIn(plan), failure: { code, message } };
  }
}

/**
 * Updates an installation without anybody there: not from the battery and not over a metered network, unless that is
 * configured, and nothing that would let an app do more than before. Keeps a summary beside the installation.
 */
export async function updateInBackground(
  installation: Installation,
  options: BackgroundOptions = {},
): Promise<BackgroundSummary> {
  const head = { time: Math.floor(Date.now() / 1000), installation: shownName(installation) };
  const postponed = await postponement(installation, options);
  const before = versions(installation);
  const outcome = postponed === undefined ? await update(installation, options) : { held: [], postponed };
  const summary = { ...head, ...outcome, changed: changedBetween(before, versions(installation)) };
  if (options.carryOut === undefined) keep(summary, installation);
  return summary;
}

function keep(summary: BackgroundSummary, installation: Installation): void {
  const path = join(installation.path, "background.json");
  try {
    writeFileDurably(path, `${JSON.stringify(summary, undefined, 1)}\n`);
  } catch (error) {
    throw fileError(error, "write", path);
  }
}
