// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { PartialRef, RefKind } from "../metadata/ref.ts";
import { getRemote, listRemotes } from "../remotes/config.ts";
import { formatLocation, locationOfUpdates, type RemoteLocation } from "../remotes/location.ts";
import { looksLikeRefFile } from "../remotes/reffile.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import { findDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { Choose } from "./choose.ts";
import { selectDirect } from "./direct.ts";
import { readName } from "./find.ts";
import { type GatherOptions, planRequests } from "./gather.ts";
import { type Offers, offersFor } from "./offers.ts";
import { originFor, originSettings } from "./origin.ts";
import { pickRef } from "./pick.ts";
import { refFileTarget } from "./reffile.ts";
import type { Facts, TransactionOptions } from "./resolve/facts.ts";
import { runtimeReposOf } from "./runtimerepo.ts";
import { parseInstallTarget } from "./targets.ts";
import type { Candidate, NewRemote, Plan } from "./types.ts";

export interface PrepareOptions extends GatherOptions, TransactionOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
  /** Asks which of several refs is meant; without it several are an error. */
  readonly choose?: Choose | undefined;
  /** The keyring that the images of a location or a `.flatpakref` file must be signed with. */
  readonly gpgKey?: Uint8Array | undefined;
}

interface Found {
  readonly candidates: readonly Candidate[];
  readonly direct: Facts["direct"];
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
  options: PrepareOptions,
): readonly Remote[] {
  if (named !== undefined) return [requireEnabled(getRemote(installation, named))];
  const remotes = listRemotes(installation).filter(({ disabled }) => !disabled);
  const present = options.orUpdate === true ? findDeployments(installation, wanted) : [];
  const origins = remotes.filter(({ name }) => present.some(({ origin }) => origin === name));
  return origins.length > 0 ? origins : remotes.filter(({ noEnumerate }) => !noEnumerate);
}

function fromRemote(image: RemoteRef): Candidate {
  return { image, origin: image.remote, newRemote: undefined };
}

async function findInRemotes(
  names: { readonly remote: string | undefined; readonly refs: readonly string[] },
  installation: Installation,
  offers: Offers,
  options: PrepareOptions,
): Promise<Found> {
  const candidates: Candidate[] = [];
  for (const text of names.refs) {
    const wanted = readName(text, options);
    const remotes = remotesFor(wanted, names.remote, installation, options);
    const offered = await offers.ofAll(remotes, wanted.arch ?? options.arch);
    candidates.push(fromRemote(pickRef(offered, wanted, options.choose)));
  }
  return { candidates, direct: undefined };
}

/** The origin of a direct install, held to a key that came with the wish. Throws `USAGE` where it is there already. */
function withKey(origin: NewRemote, gpgKey: Uint8Array | undefined, remotes: readonly Remote[]): NewRemote {
  if (gpgKey === undefined) return origin;
  if (remotes.some(({ name }) => name === origin.name)) {
    throw new DowelError(
      "USAGE",
      `${origin.url} is the remote ${origin.name} already; its key is not for an install to set`,
      {
        hint: `Use remote-modify --gpg-import=FILE ${origin.name}.`,
      },
    );
  }
  return { ...origin, settings: { ...(origin.settings ?? originSettings), gpgVerify: true }, gpgKey };
}

async function findDirect(
  wish: { readonly location: RemoteLocation; readonly refs: readonly string[]; readonly origin?: NewRemote },
  installation: Installation,
  options: PrepareOptions,
): Promise<Found> {
  const url = formatLocation(locationOfUpdates(wish.location));
  const { images, offer } = await selectDirect(wish.location, wish.refs, options);
  const [first] = images;
  if (first === undefined) throw new DowelError("REF_NOT_FOUND", `${url} has nothing to install`);
  const remotes = listRemotes(installation);
  const origin = withKey(wish.origin ?? originFor(first.ref, url, remotes), options.gpgKey, remotes);
  const toCandidate = (image: RemoteRef): Candidate => ({
    image: { ...image, remote: origin.name },
    origin: origin.name,
    newRemote: origin,
  });
  return { candidates: images.map(toCandidate), direct: { offer, origin } };
}

/**
 * Finds out what `install WORDS` means for an installation and plans it: refs of remotes, or a location. Changes
 * nothing but the caches of catalogues. Throws `REF_NOT_FOUND`, `REF_AMBIGUOUS`, `ALREADY_INSTALLED`,
 * `RUNTIME_NOT_FOUND`, and what the registries throw.
 */
export async function prepareInstall(
  target: Installation,
  words: readonly string[],
  options: PrepareOptions = {},
): Promise<Plan> {
  const remotes = listRemotes(target);
  const [word = "", second] = words;
  const isFile = second === undefined && looksLikeRefFile(word);
  const file = isFile ? await refFileTarget(word, remotes, options.arch, options.signal) : undefined;
  const wish = file ?? parseInstallTarget(words, remotes);
  if (wish.kind === "refs" && options.gpgKey !== undefined) {
    throw new DowelError("USAGE", "--gpg-file is for a location or a .flatpakref file; a remote has its own keys");
  }
  const offers = offersFor(target, options);
  const { candidates, direct } =
    wish.kind === "refs" ? await findInRemotes(wish, target, offers, options) : await findDirect(wish, target, options);
  const requests = candidates.map((candidate) => ({ kind: "install", candidate }) as const);
  const runtimeRepos = [
    ...(file?.runtimeRepo === undefined ? [] : [file.runtimeRepo]),
    ...runtimeReposOf(candidates.map(({ image }) => image)),
  ];
  return await planRequests(target, requests, options, { offers, direct, runtimeRepos });
}
