// SPDX-License-Identifier: Apache-2.0
import { statSync } from "node:fs";
import { join } from "node:path";
import { Decoder } from "../base/decode.ts";
import { DowelError, errnoOf, fileError, isDowelError } from "../base/errors.ts";
import {
  formatRef,
  isValidArch,
  isValidBranch,
  isValidId,
  matchesRef,
  type PartialRef,
  parseRef,
  type Ref,
  type RefKind,
} from "../metadata/ref.ts";
import { readPlainFile } from "../sys/plainfile.ts";
import { readLink } from "./deploy/links.ts";
import type { Installation } from "./installation.ts";
import { namesIn } from "./names.ts";
import type { Deployment } from "./types.ts";

/** `INSTALLATION/KIND/ID/ARCH/BRANCH`: the deployments of a ref, and `active`, a link to the one that counts. */
export function refFolder(installation: Pick<Installation, "path">, ref: Ref): string {
  return join(installation.path, formatRef(ref));
}

/** `app/ID/current`: a link to the ARCH/BRANCH whose files are exported. */
export function currentLink(installation: Pick<Installation, "path">, id: string): string {
  return join(installation.path, "app", id, "current");
}

export function encodeDeployment(deployment: Deployment): string {
  const { ref, path: _, labels, ...rest } = deployment;
  return `${JSON.stringify({ ref: formatRef(ref), ...rest, labels: Object.fromEntries(labels) }, undefined, 1)}\n`;
}

function readIds(decoder: Decoder, value: unknown): string[] {
  const ids = decoder.array(value, "previousIds").map((id, index) => decoder.string(id, `previousIds[${index}]`));
  return ids.every(isValidId) ? ids : decoder.fail("previousIds", "ids of apps");
}

function readSubpaths(decoder: Decoder, value: unknown): readonly string[] {
  return decoder.array(value, "subpaths").map((path, index) => decoder.string(path, `subpaths[${index}]`));
}

function decodeDeployment(text: string, path: string): Deployment {
  const decoder = new Decoder("STORE_INVALID", join(path, "deploy.json"));
  const object = decoder.object(decoder.parse(text), "");
  const string = (key: string): string => decoder.string(object[key], key);
  const size = (key: string): number => decoder.size(object[key], key);
  const shownAs = string("shownAs");
  if (shownAs !== "composefs" && shownAs !== "checkout") return decoder.fail("shownAs", `"composefs" or "checkout"`);
  return {
    ref: parseRef(string("ref")),
    commit: string("commit"),
    path,
    origin: string("origin"),
    source: string("source"),
    metadata: string("metadata"),
    shownAs,
    imageDigest: string("imageDigest"),
    installedSize: size("installedSize"),
    downloadSize: size("downloadSize"),
    deployedAt: size("deployedAt"),
    ...(object["previousIds"] === undefined ? {} : { previousIds: readIds(decoder, object["previousIds"]) }),
    ...(object["subpaths"] === undefined ? {} : { subpaths: readSubpaths(decoder, object["subpaths"]) }),
    labels: decoder.stringMap(object["labels"], "labels"),
  };
}

/** One deployment of a ref, active or not; undefined where it is not there. Throws `STORE_INVALID`. */
export function readDeployment(
  installation: Pick<Installation, "path">,
  ref: Ref,
  commit: string,
): Deployment | undefined {
  const path = join(refFolder(installation, ref), commit);
  try {
    return decodeDeployment(readPlainFile(join(path, "deploy.json")).toString(), path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw fileError(error, "read", path);
  }
}

/** The active deployment of a ref. */
export function activeDeployment(installation: Pick<Installation, "path">, ref: Ref): Deployment | undefined {
  const commit = readLink(join(refFolder(installation, ref), "active"));
  return commit === undefined || !isCommit(commit) ? undefined : readDeployment(installation, ref, commit);
}

/** The current ref of an app: the one whose files are exported, and that runs where no branch is named. */
export function currentRef(installation: Pick<Installation, "path">, id: string): Ref | undefined {
  const [arch = "", branch = "", ...rest] = readLink(currentLink(installation, id))?.split("/") ?? [];
  return rest.length === 0 && isValidArch(arch) && isValidBranch(branch)
    ? { kind: "app", id, arch, branch }
    : undefined;
}

/** All commits of a ref that are deployed, active or not. */
export function deployedCommits(installation: Pick<Installation, "path">, ref: Ref): string[] {
  return namesIn(refFolder(installation, ref)).sort().filter(isCommit);
}

/** Commits of a ref, those deployed last first; within one second the times of their folders decide. */
export function newestFirst(
  installation: Pick<Installation, "path">,
  ref: Ref,
  commits: readonly string[],
): readonly string[] {
  const folder = refFolder(installation, ref);
  const times = commits.map((commit) => ({
    commit,
    deployed: tryRead(() => readDeployment(installation, ref, commit))?.deployedAt ?? 0,
    made: statSync(join(folder, commit), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  }));
  times.sort((left, right) => right.deployed - left.deployed || right.made - left.made);
  return times.map(({ commit }) => commit);
}

/** All refs that have a folder in the installation, apps first, in the order of their names. */
export function* refsOf(installation: Pick<Installation, "path">, id?: string): Generator<Ref> {
  for (const kind of ["app", "runtime"] as const satisfies RefKind[]) {
    const ids = id === undefined ? namesIn(join(installation.path, kind)).sort() : [id];
    for (const one of ids.filter(isValidId)) {
      const folder = join(installation.path, kind, one);
      for (const arch of namesIn(folder).sort().filter(isValidArch)) {
        if (arch === "current") continue;
        for (const branch of namesIn(join(folder, arch)).sort().filter(isValidBranch))
          yield { kind, id: one, arch, branch };
      }
    }
  }
}

/** What a read answers; undefined where what is read is damaged, which is for `repair` to find. */
export function tryRead<T>(read: () => T | undefined, onDamaged?: OnDamaged): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!isDowelError(error)) throw error;
    onDamaged?.(error);
    return undefined;
  }
}

/** Told of each deployment that cannot be read and is therefore left out. */
export type OnDamaged = (error: DowelError) => void;

/**
 * The active deployments of an installation. Takes no lock: each is read as it is at its moment. One that is damaged is
 * left out, so that it does not hide the others.
 */
export function listDeployments(installation: Pick<Installation, "path">, onDamaged?: OnDamaged): Deployment[] {
  return [...readDeployments(installation, refsOf(installation), onDamaged)];
}

/** The active deployments that a partial ref fits; damaged ones are left out. */
export function findDeployments(installation: Pick<Installation, "path">, partial: PartialRef): Deployment[] {
  const refs = [...refsOf(installation, partial.id)].filter((ref) => matchesRef(ref, partial));
  return [...readDeployments(installation, refs)];
}

/** The active deployment of a ref. Throws `NOT_INSTALLED`. */
export function requireDeployment(installation: Installation, ref: Ref): Deployment {
  const deployment = activeDeployment(installation, ref);
  if (deployment !== undefined) return deployment;
  throw new DowelError("NOT_INSTALLED", `${formatRef(ref)} is not installed in ${installation.path}`);
}

/** The active deployments of refs, each read when it is asked for; damaged ones are left out. */
export function* readDeployments(
  installation: Pick<Installation, "path">,
  refs: Iterable<Ref> = refsOf(installation),
  onDamaged?: OnDamaged,
): Generator<Deployment> {
  for (const ref of refs) {
    const deployment = tryRead(() => activeDeployment(installation, ref), onDamaged);
    if (deployment !== undefined) yield deployment;
  }
}

function isCommit(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}
