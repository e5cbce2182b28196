// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { DowelError } from "../base/errors.ts";
import { formatRef, isValidId, type PartialRef, parsePartialRef, type RefKind } from "../metadata/ref.ts";
import { formatPartialRef } from "../remotes/select.ts";
import { suggestNames } from "../remotes/suggest.ts";
import { currentRef, findDeployments, listDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { narrowRef } from "./types.ts";

export interface FindOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
}

/** Reads the name of something installed. A word that cannot be an id is kept, to be looked up for a suggestion. */
export function readName(text: string, options: FindOptions): PartialRef {
  const isShort = !text.includes("/") && !isValidId(text) && /^[A-Za-z0-9_.-]+$/.test(text);
  const partial = isShort ? { kind: undefined, id: text, arch: undefined, branch: undefined } : parsePartialRef(text);
  return narrowRef(partial, options);
}

function notInstalled(installations: readonly Installation[], wanted: PartialRef): DowelError {
  const deployments = installations.flatMap((installation) => listDeployments(installation));
  const branches = deployments.filter(({ ref }) => ref.id === wanted.id).map(({ ref }) => formatRef(ref));
  const near = suggestNames(
    wanted.id,
    deployments.map(({ ref }) => ref.id),
  );
  const others = branches.length > 0 ? branches : near;
  return new DowelError("NOT_INSTALLED", `${formatPartialRef(wanted)} is not installed`, {
    ...(others.length === 0 ? {} : { hint: `Did you mean ${[...new Set(others)].join(" or ")}?` }),
  });
}

/** Something installed, and where. */
export interface Located {
  readonly installation: Installation;
  readonly deployment: Deployment;
}

/** Of several matches: this machine's architecture before others, an app before a runtime, its current branch. */
function prefer(matches: readonly Located[], wanted: PartialRef): readonly Located[] {
  const narrow = (list: readonly Located[], keep: (located: Located) => boolean): readonly Located[] => {
    const kept = list.filter(keep);
    return kept.length > 0 ? kept : list;
  };
  const own = narrow(matches, ({ deployment }) => wanted.arch !== undefined || deployment.ref.arch === hostArch());
  if (wanted.branch !== undefined) return own;
  return narrow(own, ({ installation, deployment: { ref } }) => {
    const current = ref.kind === "app" ? currentRef(installation, ref.id) : undefined;
    return current !== undefined && current.branch === ref.branch && current.arch === ref.arch;
  });
}

/**
 * The one installed ref that a full or partial name means, looked for in the installations in their order. The
 * current branch of an app is preferred. Throws `NOT_INSTALLED`, with near misses, or `REF_AMBIGUOUS`.
 */
export function findInstalled(
  installations: readonly Installation[],
  text: string,
  options: FindOptions = {},
): Located {
  const wanted = readName(text, options);
  for (const installation of installations) {
    const all = findDeployments(installation, wanted).map((deployment) => ({ installation, deployment }));
    const [first, ...others] = prefer(all, wanted);
    if (first === undefined) continue;
    if (others.length === 0) return first;
    const names = [first, ...others].map(({ deployment }) => formatRef(deployment.ref)).join(", ");
    throw new DowelError("REF_AMBIGUOUS", `${text} fits several installed refs: ${names}`, {
      hint: "Name one of them in full.",
    });
  }
  throw notInstalled(installations, wanted);
}

/** All installed refs of one installation that a name fits. Throws `NOT_INSTALLED` where there is none. */
export function findAllInstalled(
  installation: Installation,
  text: string,
  options: FindOptions = {},
): readonly Deployment[] {
  const wanted = readName(text, options);
  const found = findDeployments(installation, wanted);
  if (found.length === 0) throw notInstalled([installation], wanted);
  return found;
}
