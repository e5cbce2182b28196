// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef, type PartialRef, type Ref, type RefKind } from "../metadata/ref.ts";
import { getRemote, listRemotes } from "../remotes/config.ts";
import { formatLocation, locationOfUpdates, type RemoteLocation } from "../remotes/location.ts";
import { looksLikeRefFile } from "../remotes/reffile.ts";
import { type Offer, selectRef } from "../remotes/select.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import { activeDeployment, findDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { selectDirect } from "./direct.ts";
import { readName } from "./find.ts";
import { Offers } from "./offers.ts";
import { originFor } from "./origin.ts";
import { type Candidate, type InstallOptions, missingRuntimes, planInstall } from "./planinstall.ts";
import { refFileTarget } from "./reffile.ts";
import { findInRuntimeRepos, runtimeReposOf } from "./runtimerepo.ts";
import { findRuntimes } from "./runtimes.ts";
import { parseInstallTarget } from "./targets.ts";
import type { Installed, NewRemote, Plan } from "./types.ts";

export interface PrepareOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
  /** All installations where a runtime may be already; the target is looked at in any case. */
  readonly installations?: readonly Installation[];
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Found {
  readonly candidates: readonly Candidate[];
  /** What was asked for them. */
  readonly offers: readonly Offer[];
  readonly toCandidate: (image: RemoteRef) => Candidate;
}

function fromRemote(image: RemoteRef): Candidate {
  return { image, origin: image.remote, newRemote: undefined };
}

function requireEnabled(remote: Remote): Remote {
  if (!remote.disabled) return remote;
  throw new DowelError("REMOTE_NOT_FOUND", `The remote ${remote.name} is disabled`, {
    hint: `Enable it with remote-modify --enable ${remote.name}.`,
  });
}

/** The remotes to search for a ref: the one named; else, for an update, the one it came from; else all. */
function remotesFor(
  wanted: PartialRef,
  named: string | undefined,
  installation: Installation,
  options: InstallOptions,
): readonly Remote[] {
  if (named !== undefined) return [requireEnabled(getRemote(installation, named))];
  const remotes = listRemotes(installation).filter(({ disabled }) => !disabled);
  const present = options.orUpdate === true ? findDeployments(installation, wanted) : [];
  const origins = remotes.filter(({ name }) => present.some(({ origin }) => origin === name));
  return origins.length > 0 ? origins : remotes.filter(({ noEnumerate }) => !noEnumerate);
}

async function findInRemotes(
  names: { readonly remote: string | undefined; readonly refs: readonly string[] },
  installation: Installation,
  offers: Offers,
  options: PrepareOptions & InstallOptions,
): Promise<Found> {
  const candidates: Candidate[] = [];
  const asked: Offer[] = [];
  for (const text of names.refs) {
    const wanted = readName(text, options);
    const remotes = remotesFor(wanted, names.remote, installation, options);
    const offered = await offers.ofAll(remotes, wanted.arch ?? options.arch);
    asked.push(...offered.filter((offer) => !asked.includes(offer)));
    candidates.push(fromRemote(selectRef(offered, wanted)));
  }
  return { candidates, offers: asked, toCandidate: fromRemote };
}

async function findDirect(
  wish: { readonly location: RemoteLocation; readonly refs: readonly string[]; readonly origin?: NewRemote },
  installation: Installation,
  options: PrepareOptions,
): Promise<Found> {
  const remotes = listRemotes(installation);
  const url = formatLocation(locationOfUpdates(wish.location));
  const { images, offer } = await selectDirect(wish.location, wish.refs, options);
  const [first] = images;
  if (first === undefined) throw new DowelError("REF_NOT_FOUND", `${url} has nothing to install`);
  const origin = wish.origin ?? originFor(first.ref, url, remotes);
  const toCandidate = (image: RemoteRef): Candidate => ({
    image: { ...image, remote: origin.name },
    origin: origin.name,
    newRemote: origin,
  });
  return { candidates: images.map(toCandidate), offers: [offer], toCandidate };
}

/** Which of some refs the installations have, the target first. */
function installedAmong(refs: readonly Ref[], target: Installation, options: PrepareOptions): readonly Installed[] {
  const others = (options.installations ?? []).filter(({ path }) => path !== target.path);
  return [target, ...others].flatMap((installation) =>
    refs.flatMap((ref) => {
      const deployment = activeDeployment(installation, ref);
      return deployment === undefined ? [] : [{ installation: installation.name, deployment }];
    }),
  );
}

/**
 * Finds out what `install WORDS` means for an installation and plans it: refs of remotes, or a location. Changes
 * nothing but the caches of catalogues. Throws `REF_NOT_FOUND`, `REF_AMBIGUOUS`, `ALREADY_INSTALLED`,
 * `RUNTIME_NOT_FOUND`, and what the registries throw.
 */
export async function prepareInstall(
  target: Installation,
  words: readonly string[],
  options: PrepareOptions & InstallOptions = {},
): Promise<Plan> {
  const remotes = listRemotes(target);
  const [word = "", second] = words;
  const isFile = second === undefined && looksLikeRefFile(word);
  const file = isFile ? await refFileTarget(word, remotes, options.arch, options.signal) : undefined;
  const wish = file ?? parseInstallTarget(words, remotes);
  const offers = new Offers(target.path, options);
  const found =
    wish.kind === "refs" ? await findInRemotes(wish, target, offers, options) : await findDirect(wish, target, options);
  const refs = found.candidates.flatMap(({ image }) => [
    image.ref,
    ...(image.runtime === undefined ? [] : [image.runtime]),
  ]);
  const installed = installedAmong(refs, target, options);
  const missing = options.noDeps === true ? [] : missingRuntimes(found.candidates, installed);
  const search = {
    own: found.offers,
    remotes,
    offers,
    toCandidate: (image: RemoteRef) => (isAmong(image, found.offers) ? found.toCandidate(image) : fromRemote(image)),
  };
  const { runtimes: known, searched } = await findRuntimes(missing, search);
  const added = await findInRuntimeRepos(
    missing.filter((ref) => !known.has(formatRef(ref))),
    {
      repos: [
        ...(file?.runtimeRepo === undefined ? [] : [file.runtimeRepo]),
        ...runtimeReposOf(found.candidates.map(({ image }) => image)),
      ],
      remotes,
      offers,
      report: options.report ?? silent,
      signal: options.signal,
    },
  );
  const runtimes = new Map([...known, ...added]);
  return planInstall({ requested: found.candidates, target: target.name, installed, runtimes, searched, options });
}

function isAmong(image: RemoteRef, offers: readonly Offer[]): boolean {
  return offers.some(({ refs }) => refs.includes(image));
}
