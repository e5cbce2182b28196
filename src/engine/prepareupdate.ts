// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { DowelError, isDowelError } from "../base/errors.ts";
import { formatRef, type RefKind, sameRef } from "../metadata/ref.ts";
import { getRemote, listRemotes } from "../remotes/config.ts";
import { parseLocation } from "../remotes/location.ts";
import type { Offer } from "../remotes/select.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import { listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { needsOf } from "./dependents.ts";
import { findAllInstalled } from "./find.ts";
import { type OfferOptions, Offers } from "./offers.ts";
import { type Candidate, missingRuntimes } from "./planinstall.ts";
import { newerImages, planUpdate, type UpdateLookup, withRuntimes } from "./planupdate.ts";
import { findRuntimes } from "./runtimes.ts";
import type { Installed, Plan } from "./types.ts";

export interface UpdateOptions extends OfferOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
  readonly noDeps?: boolean;
  /** All installations where a runtime may be already. */
  readonly installations?: readonly Installation[];
}

function toCandidate(image: RemoteRef): Candidate {
  return { image, origin: image.remote, newRemote: undefined };
}

/** A layout that a direct install came from may be gone since; then there is nothing to update from. */
function isGone(remote: Remote): boolean {
  const location = parseLocation(remote.url);
  return (location.kind === "layout" || location.kind === "archive") && !existsSync(location.path);
}

async function lookUp(deployment: Deployment, target: Installation, offers: Offers): Promise<UpdateLookup> {
  try {
    const remote = getRemote(target, deployment.origin);
    if (remote.disabled) return { deployment, reason: `the remote ${remote.name} is disabled` };
    if (isGone(remote)) return { deployment, reason: `${remote.url} is not there any more` };
    const offer = await offers.of(remote, deployment.ref.arch);
    const image = offer.refs.find(({ ref }) => sameRef(ref, deployment.ref));
    if (image !== undefined) return { deployment, candidate: toCandidate(image) };
    const text = `The remote ${remote.name} no longer has ${formatRef(deployment.ref)}`;
    return { deployment, error: new DowelError("REF_NOT_FOUND", text) };
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    return { deployment, error };
  }
}

function chosen(target: Installation, names: readonly string[], options: UpdateOptions): readonly Deployment[] {
  const fits = ({ ref }: Deployment): boolean =>
    (options.kind === undefined || ref.kind === options.kind) &&
    (options.arch === undefined || ref.arch === options.arch);
  if (names.length === 0) return listDeployments(target).filter(fits);
  const named = [
    ...new Map(names.flatMap((name) => findAllInstalled(target, name, options)).map((one) => [one.path, one])).values(),
  ];
  if (options.noDeps === true) return named;
  return withRuntimes(named, listDeployments(target), (deployment) => needsOf(deployment).runtime);
}

async function offersOfOrigins(
  candidates: readonly Candidate[],
  target: Installation,
  offers: Offers,
): Promise<Offer[]> {
  const result: Offer[] = [];
  for (const { origin, image } of candidates) result.push(await offers.of(getRemote(target, origin), image.ref.arch));
  return [...new Set(result)];
}

/**
 * Looks for newer images of what an installation has, all or what is named, and plans their update. A remote that
 * does not answer, or lost a ref, fails that ref only; the plan notes it. Throws `NOT_INSTALLED` for a name.
 */
export async function prepareUpdate(
  target: Installation,
  names: readonly string[],
  options: UpdateOptions = {},
): Promise<Plan> {
  const offers = new Offers(target.path, options);
  const deployments = chosen(target, names, options);
  const lookups = await Promise.all(deployments.map((deployment) => lookUp(deployment, target, offers)));
  const newer = newerImages(lookups);
  const noDeps = options.noDeps ?? false;
  const others = (options.installations ?? []).filter(({ path }) => path !== target.path);
  const installed: readonly Installed[] =
    newer.length === 0
      ? []
      : [target, ...others].flatMap((installation) =>
          listDeployments(installation).map((deployment) => ({ installation: installation.name, deployment })),
        );
  const missing = noDeps ? [] : missingRuntimes(newer, installed);
  const own = missing.length === 0 ? [] : await offersOfOrigins(newer, target, offers);
  const { runtimes, searched } = await findRuntimes(missing, {
    own,
    remotes: listRemotes(target),
    offers,
    toCandidate,
  });
  return planUpdate({ lookups, installed, runtimes, searched, noDeps });
}
