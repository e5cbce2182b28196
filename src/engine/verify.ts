// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { formatRef } from "../metadata/ref.ts";
import { isDigest } from "../oci/digest.ts";
import { listRemotes } from "../remotes/config.ts";
import { verifyImage } from "../remotes/trust/verify.ts";
import { auditContents } from "../store/audit/contents.ts";
import { tryRead } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { visitObjects } from "../store/objects/list.ts";
import { checkDeployment } from "../store/repair/deployment.ts";
import { Findings } from "../store/repair/findings.ts";
import { checkImage } from "../store/repair/images.ts";
import { findVersions, type Version } from "../store/repair/versions.ts";
import type { Deployment } from "../store/types.ts";
import { placeOfSource } from "./sourceplace.ts";

export interface VerifyOptions {
  /** Only these refs, in full; all where undefined. */
  readonly refs?: readonly string[] | undefined;
  /** Whether registries are asked for signatures. */
  readonly signatures: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What was found out about one version of a ref. */
export interface Verified {
  readonly ref: string;
  readonly commit: string;
  /** Who signed its manifest; empty where the policy asks for no signature, or signatures were not looked at. */
  readonly signers: readonly string[];
  /** What is wrong, a sentence each; nothing where it is what was published. */
  readonly problems: readonly string[];
}

export interface Verification {
  readonly versions: readonly Verified[];
  /** Files that were read, each once. */
  readonly objects: number;
  readonly bytes: number;
}

async function signersOf(deployment: Deployment, installation: Installation, signal: AbortSignal | undefined) {
  const place = placeOfSource(deployment, installation);
  const digest = `sha256:${deployment.commit}`;
  if (place === undefined || !isDigest(digest)) return [];
  const remote = listRemotes(installation).find(({ name }) => name === deployment.origin);
  return verifyImage(installation, place, digest, { remote, tags: [deployment.ref.branch, "latest"], signal });
}

/** Manifest, config, layers, composefs image, metadata, exports and the way it is shown, each held against the others. */
function imageProblem(installation: Installation, version: Version): string | undefined {
  const image = checkImage(installation, version.commit, version.deployment?.imageDigest);
  if (image.state !== "sound") return `${image.path}: ${image.problem}`;
  const problem = checkDeployment(installation, version, image.image);
  return problem === undefined ? undefined : `${version.path}: ${problem}`;
}

async function verifyVersion(installation: Installation, version: Version, options: VerifyOptions) {
  const problems: string[] = [];
  let signers: readonly string[] = [];
  const problem = imageProblem(installation, version);
  if (problem !== undefined) problems.push(problem);
  if (options.signatures && version.deployment !== undefined) {
    try {
      signers = await signersOf(version.deployment, installation, options.signal);
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      problems.push(error.message);
    }
  }
  return { signers, problems };
}

/** The objects that an image needs; undefined where its list is lost, which is a problem of the image then. */
function objectsOf(installation: Installation, commit: string): ReadonlySet<string> | undefined {
  const digests = new Set<string>();
  return tryRead(() => {
    visitObjects(installation, commit, (digest) => digests.add(digest));
    return digests;
  });
}

/**
 * Holds what is installed against what was published: signatures against the policy, manifest and config against the commit,
 * the composefs image against them, every byte of every file against the composefs image. Changes nothing. Throws
 * `NOT_INSTALLED` for a ref that is not there.
 */
export async function verifyInstalled(installation: Installation, options: VerifyOptions): Promise<Verification> {
  const all = findVersions(installation, new Findings(false));
  const { refs, signal } = options;
  const chosen = refs === undefined ? all : all.filter(({ ref }) => refs.includes(formatRef(ref)));
  for (const ref of refs ?? []) {
    if (!chosen.some((version) => formatRef(version.ref) === ref)) {
      throw new DowelError("NOT_INSTALLED", `${ref} is not installed`);
    }
  }
  const readable = chosen.filter(({ commit }) => objectsOf(installation, commit) !== undefined);
  const commits = [...new Set(readable.map(({ commit }) => commit))];
  const { objects, bytes, wrong } = await auditContents(installation, commits, signal);
  const versions: Verified[] = [];
  for (const version of chosen) {
    const { signers, problems } = await verifyVersion(installation, version, options);
    const own = wrong.length === 0 ? undefined : objectsOf(installation, version.commit);
    for (const { digest, path, what } of wrong) {
      if (own?.has(digest) !== true) continue;
      problems.push(`${path}: ${what === "missing" ? "missing" : "its content has another digest"}`);
    }
    versions.push({ ref: formatRef(version.ref), commit: version.commit, signers, problems });
  }
  return { versions, objects, bytes };
}
