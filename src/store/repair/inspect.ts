// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { checkCancelled, fileError, isDowelError } from "../../base/errors.ts";
import { formatRef } from "../../metadata/ref.ts";
import { retiredCommits } from "../deploy/retire.ts";
import { readDeployment, tryRead } from "../deployments.ts";
import { loadImage, type StoredImage } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { lockForChange, lockObjects, type WaitOptions } from "../locks.ts";
import { DigestTable } from "../objects/digests.ts";
import { visitObjects } from "../objects/list.ts";
import { hasObject, objectPath } from "../objects/paths.ts";
import { ensureShown, hideImage, isMounted, lowerOf } from "../shown.ts";
import type { Deployment } from "../types.ts";
import { salvage } from "./checkout.ts";
import { checkDeployment, lossOf, rebuild } from "./deployment.ts";
import { checkExports } from "./exports.ts";
import type { Findings } from "./findings.ts";
import { checkImage, forgetImage } from "./images.ts";
import { checkIndex } from "./index.ts";
import { checkTemporary, checkUnused } from "./leftovers.ts";
import { checkObjects, isSoundObject } from "./objects.ts";
import { checkFiles, checkFolders } from "./places.ts";
import { findVersions, type Version } from "./versions.ts";

interface Inspection {
  readonly installation: Installation;
  readonly findings: Findings;
  readonly versions: readonly Version[];
  /** Commits whose image, records or contents must come again. */
  readonly incomplete: Set<string>;
  /** Commits whose composefs image was written anew, so that it must be mounted anew. */
  readonly rewritten: Set<string>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Looks at everything in an installation: leftovers, links, images, records of layers, every byte of every object,
 * deployments, exports and mounts. Where `findings.mend` is set it mends all that the store itself allows. Answers the
 * versions whose content must be fetched again; each is to be given to `rebuild` then. Waits for others that work on
 * the installation and keeps them out meanwhile; running apps are not disturbed.
 */
export async function inspect(
  installation: Installation,
  findings: Findings,
  options: WaitOptions = {},
): Promise<readonly Version[]> {
  if (!existsSync(installation.path)) return [];
  const can = checkFiles(installation, findings);
  if (findings.mend && !(can.lock && can.pins)) return [];
  // Nobody has a lock that is no file, so that nothing changes meanwhile.
  using _objects = can.pins ? await lockObjects(installation, { ...options, keepLeftovers: true }) : undefined;
  using _lock = can.lock ? await lockForChange(installation, options) : undefined;
  try {
    if (!checkFolders(installation, findings)) return [];
    checkTemporary(installation, findings);
    const versions = findVersions(installation, findings);
    const inspection: Inspection = {
      installation,
      findings,
      versions,
      incomplete: new Set(),
      rewritten: new Set(),
      signal: options.signal,
    };
    inspectImages(inspection);
    inspectObjects(inspection);
    for (const version of versions) {
      checkCancelled(options.signal);
      if (!inspection.incomplete.has(version.commit)) await inspectDeployment(inspection, version);
      else if (version.deployment === undefined) noteDeployment(inspection, version, lossOf(version.path));
    }
    checkExports(installation, findings);
    inspectUnused(inspection);
    checkIndex(installation, findings, options.signal);
    return versions.filter(({ commit }) => inspection.incomplete.has(commit));
  } catch (error) {
    throw fileError(error, "look through", installation.path);
  }
}

function inspectImages({ installation, findings, versions, incomplete, rewritten }: Inspection): void {
  const seen = new Set<string>();
  for (const { commit, deployment } of versions) {
    if (seen.has(commit)) continue;
    seen.add(commit);
    const found = checkImage(installation, commit, deployment?.imageDigest);
    if (found.state === "mendable") {
      findings.add("image", "damaged", found.path, found.problem, () => {
        found.mend();
        rewritten.add(commit);
      });
    }
    if (found.state !== "lost") continue;
    incomplete.add(commit);
    const isSound = (): boolean => checkImage(installation, commit, deployment?.imageDigest).state === "sound";
    findings.addOpen(found.kind, found.what, found.path, found.problem, isSound);
    if (findings.mend && found.what === "damaged") forgetImage(installation, commit, found.kind === "layer");
  }
}

/** All that images need; undefined where a list is lost, so that nobody knows. */
function neededObjects({ installation, versions }: Inspection): DigestTable | undefined {
  const needed = new DigestTable();
  try {
    for (const commit of new Set([...versions.map((version) => version.commit), ...retiredCommits(installation)])) {
      visitObjects(installation, commit, (digest) => needed.add(digest));
    }
    return needed;
  } catch (error) {
    if (isDowelError(error)) return undefined;
    throw error;
  }
}

function inspectObjects(inspection: Inspection): void {
  const { installation, findings, versions, incomplete, signal } = inspection;
  const needed = incomplete.size > 0 ? undefined : neededObjects(inspection);
  const bad = new Set(checkObjects(installation, findings, needed, signal));
  const lacking = new Map<string, Set<string>>();
  const missing = new Set<string>();
  for (const { commit } of versions) {
    tryRead(() =>
      visitObjects(installation, commit, (digest, size) => {
        const isDamaged = bad.has(digest);
        if (!isDamaged && hasObject(installation, digest, size)) return;
        if (!isDamaged) missing.add(digest);
        lacking.set(commit, (lacking.get(commit) ?? new Set()).add(digest));
      }),
    );
  }
  if (findings.mend) salvageAll(inspection, lacking);
  for (const digest of missing) {
    findings.addOpen("object", "missing", objectPath(installation, digest), "an image needs it", () =>
      isSoundObject(installation, digest),
    );
  }
  for (const [commit, digests] of lacking) if (digests.size > 0) incomplete.add(commit);
}

/** Takes back from checkouts what they still have of objects that are gone. */
function salvageAll({ installation, versions }: Inspection, lacking: ReadonlyMap<string, Set<string>>): void {
  const wanted = new Set([...lacking.values()].flatMap((digests) => [...digests]));
  if (wanted.size === 0) return;
  for (const { commit, path, deployment } of versions) {
    if (deployment?.shownAs !== "checkout") continue;
    const image = load(installation, commit);
    if (image === undefined) continue;
    for (const digest of salvage(installation, image.view.root, `${path}/root`, wanted)) {
      for (const digests of lacking.values()) digests.delete(digest);
    }
  }
}

function load(installation: Installation, commit: string): StoredImage | undefined {
  return tryRead(() => loadImage(installation, commit));
}

async function inspectDeployment(inspection: Inspection, version: Version): Promise<void> {
  const { installation, findings, signal } = inspection;
  const image = load(installation, version.commit);
  if (image === undefined) return;
  const problem = checkDeployment(installation, version, image);
  if (problem === undefined) {
    if (version.deployment !== undefined) await inspectMount(inspection, version.deployment, version.isActive);
    return;
  }
  const failure =
    version.origin === undefined
      ? "nothing says where it came from: install it again"
      : await attempt(findings, async () => void (await rebuild(installation, version, image, signal)));
  noteDeployment(inspection, version, failure === undefined ? problem : `${problem}; ${failure}`);
}

function noteDeployment({ installation, findings }: Inspection, version: Version, detail: string): void {
  const what = version.deployment === undefined ? "missing" : "damaged";
  findings.addOpen("deployment", what, version.path, detail, () => {
    const deployment = tryRead(() => readDeployment(installation, version.ref, version.commit));
    const image = load(installation, version.commit);
    return image !== undefined && checkDeployment(installation, { ...version, deployment }, image) === undefined;
  });
}

/** Mends where that is wanted; answers why it failed. */
async function attempt(findings: Findings, mend: () => Promise<void>): Promise<string | undefined> {
  if (!findings.mend) return undefined;
  try {
    await mend();
    return undefined;
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    return error.message;
  }
}

/** After a boot nothing is mounted until somebody sees to it; only root can. Versions to go back to can wait for that. */
async function inspectMount(
  { installation, findings, rewritten, signal }: Inspection,
  deployment: Deployment,
  isActive: boolean,
): Promise<void> {
  const target = lowerOf(deployment);
  if (deployment.shownAs !== "composefs" || process.geteuid?.() !== 0) return;
  const wasMounted = isMounted(target);
  if (rewritten.has(deployment.commit)) hideImage(installation, deployment.imageDigest);
  if (!isActive || isMounted(target)) return;
  const failure = await attempt(findings, async () => await ensureShown(deployment, signal));
  if (wasMounted && failure === undefined) return;
  const detail = `the image of ${formatRef(deployment.ref)} is not mounted`;
  findings.addOpen("mount", "missing", target, failure === undefined ? detail : `${detail}; ${failure}`, () =>
    isMounted(target),
  );
}

function inspectUnused({ installation, findings, versions }: Inspection): void {
  const shown = new Set<string>();
  for (const { ref, commit } of versions) {
    const deployment = tryRead(() => readDeployment(installation, ref, commit));
    if (deployment !== undefined) shown.add(deployment.imageDigest);
  }
  const isKnown = shown.size > 0 || versions.length === 0;
  checkUnused(installation, findings, new Set(versions.map(({ commit }) => commit)), isKnown ? shown : undefined);
}
