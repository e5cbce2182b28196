// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { selectDirect } from "../engine/direct.ts";
import { findAllInstalled } from "../engine/find.ts";
import { gatherFacts, planRequests } from "../engine/gather.ts";
import { type Offers, offersFor } from "../engine/offers.ts";
import { type Facts, offeredRef, type Request } from "../engine/resolve/facts.ts";
import type { Candidate, Plan } from "../engine/types.ts";
import { parseRef } from "../metadata/ref.ts";
import { getRemote, listRemotes } from "../remotes/config.ts";
import { formatLocation, locationOfUpdates, parseLocation } from "../remotes/location.ts";
import type { Remote } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";
import { acceptedOf, firstDifference } from "./accepted.ts";
import type { AskedFor, TransactionChange } from "./change.ts";

export interface ReplanContext {
  readonly installation: Installation;
  /** The other installations of the system. */
  readonly installations: readonly Installation[];
  /** The images may be on media, so remotes need not be within reach. */
  readonly mayBeOld: boolean;
  readonly signal: AbortSignal;
}

type Known = Omit<Facts, "answers">;

function changed(text: string): never {
  throw new DowelError("PLAN_CHANGED", text, { hint: "Run the same command again to see what would be done now." });
}

/**
 * Which conditional extensions come and which go, a person has agreed to; the conditions are about that person's desktop
 * and drivers, which this process does not see.
 */
function agreedHolds({ accepted }: TransactionChange, { target, installed }: Known): Known["holds"] {
  const idsOf = (operation: "install" | "uninstall"): Set<string> =>
    new Set(accepted.filter((one) => one.operation === operation).map(({ ref }) => parseRef(ref).id));
  const own = installed.filter(({ installation }) => installation === target);
  const [coming, going, present] = [
    idsOf("install"),
    idsOf("uninstall"),
    new Set(own.map(({ deployment }) => deployment.ref.id)),
  ];
  return (_reasons, id) => coming.has(id) || (present.has(id) && !going.has(id));
}

/** Remotes that are to be made; one that is there by now must be the same. */
function newRemotesOf({ newRemotes }: TransactionChange, remotes: readonly Remote[]) {
  const missing = newRemotes.filter(({ name, url }) => {
    const present = remotes.find((remote) => remote.name === name);
    if (present !== undefined && present.url !== url)
      changed(`The remote ${name} is now at ${present.url}, not ${url}`);
    return present === undefined;
  });
  const flags = { priority: 0, disabled: false, noEnumerate: false, noDeps: false, gpgVerify: false };
  return {
    remotes: [
      ...remotes,
      ...missing.map(({ name, url, settings }) => ({ ...flags, ...settings, name, url }) as Remote),
    ],
    newRemotes: new Map(missing.map((remote) => [remote.name, remote])),
  };
}

/** The images of a direct install, from its location. */
async function directOf(
  change: TransactionChange,
  { installation, signal }: ReplanContext,
): Promise<{ readonly direct: Facts["direct"]; readonly candidates: ReadonlyMap<string, Candidate> }> {
  if (change.direct === undefined) return { direct: undefined, candidates: new Map() };
  const { origin } = change.direct;
  const location = parseLocation(change.direct.location);
  const known = listRemotes(installation).find(({ name }) => name === origin.name);
  const url = formatLocation(locationOfUpdates(location));
  if (origin.url !== url && known?.url !== origin.url) changed(`${origin.name} would not be at ${url}`);
  if (known !== undefined && known.url !== origin.url) changed(`The remote ${origin.name} is now at ${known.url}`);
  const refs = change.requests.flatMap((request) => (request.kind === "install" ? [request.ref] : []));
  const { images, offer } = await selectDirect(location, refs, { signal });
  const candidates = images.map((image, at): readonly [string, Candidate] => [
    refs[at] ?? "",
    { image: { ...image, remote: origin.name }, origin: origin.name, newRemote: origin },
  ]);
  return { direct: { offer, origin }, candidates: new Map(candidates) };
}

async function candidateOf(ref: string, remote: Remote, offers: Offers): Promise<Candidate> {
  if (remote.disabled) changed(`The remote ${remote.name} is disabled`);
  const image = offeredRef(await offers.of(remote, parseRef(ref).arch), ref);
  if (image === undefined) throw new DowelError("REF_NOT_FOUND", `The remote ${remote.name} has no ${ref}`);
  return { image, origin: remote.name, newRemote: undefined };
}

/**
 * Plans anew what a person was asked about, from what this process itself finds in the installation and its remotes.
 * Nothing of what was sent is believed but what was asked for. Throws `PLAN_CHANGED` where that comes to anything else
 * than what was agreed to, and what planning throws.
 */
export async function replan(change: TransactionChange, context: ReplanContext): Promise<Plan> {
  const { installation, installations, mayBeOld, signal } = context;
  const options = { ...change.options, installations, cached: change.noPull, mayBeOld, signal };
  const before = gatherFacts(installation, options);
  const facts = { ...before, ...newRemotesOf(change, before.remotes), holds: agreedHolds(change, before) };
  const offers = offersFor(installation, options);
  const { direct, candidates } = await directOf(change, context);
  const toRequest = async (asked: AskedFor): Promise<Request> => {
    if (asked.kind === "install") {
      const found = candidates.get(asked.ref);
      const candidate = found ?? (await candidateOf(asked.ref, getRemote(installation, asked.remote), offers));
      return { kind: "install", candidate };
    }
    const [deployment] = findAllInstalled(installation, asked.ref);
    if (deployment === undefined) throw new DowelError("NOT_INSTALLED", `${asked.ref} is not installed`);
    return { kind: asked.kind, deployment };
  };
  const requests = await Promise.all(change.requests.map(toRequest));
  const plan = await planRequests(installation, requests, options, { facts, offers, direct });
  const difference = firstDifference(change.accepted, acceptedOf(plan.operations));
  if (difference !== undefined) changed(`The installation or a remote has changed meanwhile: ${difference}`);
  return plan;
}
