// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { type DowelError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { anyPattern } from "../metadata/pattern.ts";
import { listRemotes } from "../remotes/config.ts";
import { parseLocation } from "../remotes/location.ts";
import type { Remote } from "../remotes/types.ts";
import { RecordingHost } from "../sandbox/probe/recording.ts";
import { meetsConditions } from "../sandbox/spec/extensions-conditions.ts";
import type { Installation } from "../store/installation.ts";
import { readSettings } from "../store/settings.ts";
import type { Deployment } from "../store/types.ts";
import { dependentsOf, listDependents } from "./dependents.ts";
import { languagesOf } from "./languages.ts";
import { loadMeanwhile } from "./meanwhile.ts";
import { type Offers, offersFor } from "./offers.ts";
import {
  type Answer,
  type Ask,
  answerKey,
  type Facts,
  type Request,
  type TransactionOptions,
} from "./resolve/facts.ts";
import { resolve } from "./resolve/resolve.ts";
import { loadRuntimeRepos } from "./runtimerepo.ts";
import type { Plan } from "./types.ts";

export interface GatherOptions {
  /** All installations: what they have need not be installed again, and what they need is in use. */
  readonly installations?: readonly Installation[] | undefined;
  /** Plan with what is known of the remotes, without asking them. */
  readonly cached?: boolean | undefined;
  /** Plan with what was heard last of a registry that cannot be reached. */
  readonly mayBeOld?: boolean | undefined;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A layout that a direct install came from may be gone since; then there is nothing to update from. */
function isGone(remote: Remote): boolean {
  const location = parseLocation(remote.url);
  return (location.kind === "layout" || location.kind === "archive") && !existsSync(location.path);
}

async function ask({ remote, arch }: Ask, offers: Offers): Promise<Answer> {
  try {
    return isGone(remote) ? { gone: `${remote.url} is not there any more` } : await offers.of(remote, arch);
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    return error;
  }
}

/** Reads what a plan depends on besides the remotes. `own`: what the target has, where that has been read already. */
export function gatherFacts(
  target: Installation,
  options: TransactionOptions & GatherOptions,
  own?: readonly Deployment[],
): Omit<Facts, "answers"> {
  const others = (options.installations ?? []).filter(({ path }) => path !== target.path);
  const settings = readSettings(target);
  const host = new RecordingHost();
  return {
    target: target.path,
    installed: [...dependentsOf(target, own), ...listDependents(others)],
    remotes: listRemotes(target),
    newRemotes: new Map(),
    direct: undefined,
    masked: anyPattern(settings.get("masked") ?? []),
    pinned: anyPattern(settings.get("pinned") ?? []),
    holds: (reasons, id) => meetsConditions(host, id, reasons, false),
    languages: languagesOf(target),
    options,
  };
}

/** What is known before a plan is made. */
export interface KnownBefore {
  readonly facts?: Omit<Facts, "answers">;
  readonly offers?: Offers;
  readonly direct?: Facts["direct"];
  /** `.flatpakrepo` files that apps name for their runtimes. */
  readonly runtimeRepos?: readonly string[];
}

/**
 * The plan for the case that the remotes have nothing new, made while they are asked. Undefined where that cannot be known;
 * whether it holds is for their answers to say.
 */
async function planAhead(
  facts: Facts,
  requests: readonly Request[],
  asks: readonly Ask[],
  offers: Offers,
): Promise<{ readonly plan: Plan; readonly foreseen: readonly Answer[] } | undefined> {
  const known = await Promise.all(
    asks.map(({ remote, arch }) => (isGone(remote) ? undefined : offers.foreseen(remote, arch))),
  );
  const foreseen = known.filter((answer) => answer !== undefined);
  if (foreseen.length < asks.length) return undefined;
  const answers = new Map(facts.answers);
  for (const [at, answer] of foreseen.entries()) {
    const one = asks[at];
    if (one !== undefined) answers.set(answerKey(one.remote.name, one.arch), answer);
  }
  try {
    const resolution = resolve({ ...facts, answers }, requests);
    return "plan" in resolution ? { plan: resolution.plan, foreseen } : undefined;
  } catch (error) {
    if (isDowelError(error)) return undefined;
    throw error;
  }
}

/** Asks remotes until a plan can be made; each is asked once. */
async function resolveAll(
  facts: Omit<Facts, "answers">,
  requests: readonly Request[],
  answers: Map<string, Answer>,
  offers: Offers,
): Promise<Plan> {
  for (;;) {
    const resolution = resolve({ ...facts, answers }, requests);
    if ("plan" in resolution) return resolution.plan;
    const { asks } = resolution;
    const asked = Promise.all(asks.map((one) => ask(one, offers)));
    asked.catch(() => undefined);
    const ahead = await planAhead({ ...facts, answers }, requests, asks, offers);
    await loadMeanwhile(asked);
    const found = await asked;
    if (ahead?.foreseen.every((answer, at) => answer === found[at]) === true) return ahead.plan;
    for (const [at, { remote, arch }] of asks.entries()) {
      const answer = found[at];
      if (answer !== undefined) answers.set(answerKey(remote.name, arch), answer);
    }
  }
}

/**
 * Plans what is asked for, asking the remotes that the plan turns out to depend on, all at once; where no remote has a
 * runtime, those that the apps name for it as well. What should be known beforehand is reported. Throws what `resolve`
 * throws.
 */
export async function planRequests(
  target: Installation,
  requests: readonly Request[],
  options: TransactionOptions & GatherOptions,
  known: KnownBefore = {},
): Promise<Plan> {
  const { report = silent, signal } = options;
  const { offers = offersFor(target, options), runtimeRepos = [] } = known;
  const facts = { ...(known.facts ?? gatherFacts(target, options)), direct: known.direct };
  const answers = new Map<string, Answer>();
  const first = await tryResolve(() => resolveAll(facts, requests, answers, offers));
  if (!isDowelError(first)) return told(first, report);
  const added = await loadRuntimeRepos(runtimeRepos, { remotes: facts.remotes, report, signal });
  if (added.length === 0) throw first;
  const remotes = [...facts.remotes, ...added.map(({ remote }) => remote)];
  const newRemotes = new Map(added.map(({ newRemote }) => [newRemote.name, newRemote]));
  const plan = await resolveAll({ ...facts, remotes, newRemotes }, requests, answers, offers);
  for (const { name, url } of newRemotes.values()) {
    const isUsed = plan.operations.some(
      (operation) => operation.operation !== "uninstall" && operation.origin === name,
    );
    if (isUsed) report({ type: "note", text: `The remote ${name} (${url}) will be added` });
  }
  return told(plan, report);
}

/** A plan, or the error that no remote has a runtime. */
async function tryResolve(work: () => Promise<Plan>): Promise<Plan | DowelError> {
  try {
    return await work();
  } catch (error) {
    if (isDowelError(error, "RUNTIME_NOT_FOUND")) return error;
    throw error;
  }
}

function told(plan: Plan, report: Report): Plan {
  for (const note of plan.notes) report(note);
  return plan;
}
