// SPDX-License-Identifier: Apache-2.0

import { hostArch } from "../../base/arch.ts";
import { DowelError } from "../../base/errors.ts";
import { formatRef, matchesRef, type PartialRef, type Ref, type RefKind } from "../../metadata/ref.ts";
import type { RecordingHost } from "../../sandbox/probe/recording.ts";
import {
  currentLink,
  currentRef,
  deployedCommits,
  findDeployments,
  readDeployment,
  refFolder,
  refsOf,
} from "../../store/deployments.ts";
import { openInstallation } from "../../store/installation.ts";
import type { InstallationPlace } from "../../store/places.ts";
import type { Deployment } from "../../store/types.ts";

export interface Located {
  readonly place: InstallationPlace;
  readonly deployment: Deployment;
}

/** Notes everything that decides which deployments of an id there are. */
function observeRefs(host: RecordingHost, place: InstallationPlace, kind: RefKind, id: string): void {
  const folder = `${place.path}/${kind}/${id}`;
  for (const arch of host.list(folder)) {
    if (arch === "current") continue;
    for (const branch of host.list(`${folder}/${arch}`))
      host.lookAt(`${refFolder(place, { kind, id, arch, branch })}/active`);
  }
  if (kind === "app") host.lookAt(currentLink(place, id));
}

/** Of several deployments: the current one of an app, then those of this machine's architecture. */
function preferred(place: InstallationPlace, found: readonly Deployment[], partial: PartialRef): readonly Deployment[] {
  if (found.length < 2) return found;
  const current = currentRef(place, partial.id);
  const isCurrent = (ref: Ref) => current !== undefined && formatRef(ref) === formatRef(current);
  const chosen = found.filter((deployment) => isCurrent(deployment.ref) && matchesRef(deployment.ref, partial));
  if (chosen.length > 0) return chosen;
  const native = found.filter((deployment) => deployment.ref.arch === hostArch());
  return native.length > 0 ? native : found;
}

/** The refs of an id that are installed in a place, of any kind that the partial ref allows. */
export function installedRefs(place: InstallationPlace, { id, kind }: PartialRef): Ref[] {
  const partial = { id, kind, arch: undefined, branch: undefined };
  return findDeployments(openInstallation(place), partial).map((deployment) => deployment.ref);
}

/** Versions of the refs that a partial ref fits, active or not, whose commit begins with a text. */
function findVersions(host: RecordingHost, place: InstallationPlace, partial: PartialRef, text: string): Deployment[] {
  const wanted = text.replace(/^sha256:/, "").toLowerCase();
  if (!/^[0-9a-f]{4,64}$/.test(wanted)) {
    throw new DowelError("USAGE", `${text}: not a commit; expected 4 to 64 hex digits`);
  }
  const refs = [...refsOf(place, partial.id)].filter((ref) => matchesRef(ref, partial));
  return refs.flatMap((ref) => {
    host.list(refFolder(place, ref));
    const commits = deployedCommits(place, ref).filter((commit) => commit.startsWith(wanted));
    return commits.map((commit) => readDeployment(place, ref, commit)).filter((found) => found !== undefined);
  });
}

/**
 * Finds the deployment that a partial ref means, in the first of the installations that has any. Throws
 * `REF_AMBIGUOUS` where several fit equally; undefined where none does. With a commit, or the beginning of one, it may
 * be a version that is only kept.
 */
export function locate(
  host: RecordingHost,
  places: readonly InstallationPlace[],
  kind: RefKind,
  partial: PartialRef,
  commit?: string,
): Located | undefined {
  for (const place of places) {
    observeRefs(host, place, kind, partial.id);
    const wanted = { ...partial, kind };
    const found =
      commit === undefined
        ? findDeployments(openInstallation(place), wanted)
        : findVersions(host, place, wanted, commit);
    const [deployment, second] = preferred(place, found, partial);
    if (second !== undefined) {
      const refs = found.map(({ ref }) => formatRef(ref)).join(", ");
      throw new DowelError("REF_AMBIGUOUS", `Several installed refs match ${partial.id}: ${refs}`, {
        hint: "Give the branch with --branch, or make one current.",
      });
    }
    if (deployment !== undefined) return { place, deployment };
  }
  return undefined;
}
