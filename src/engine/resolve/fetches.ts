// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { formatRef, parseRef, parseRuntimeName, type Ref, sameRef } from "../../metadata/ref.ts";
import { checkRequiredVersions } from "../../metadata/required.ts";
import type { Deployment } from "../../store/types.ts";
import type { Candidate } from "../types.ts";
import { findDependency, runtimeNotFound } from "./dependencies.ts";
import type { Draft, Lookup } from "./draft.ts";
import { endOfLife } from "./endoflife.ts";
import { upToDate } from "./facts.ts";
import { growthOf } from "./growth.ts";
import { needsOf } from "./needs.ts";
import { extensionsOf, isWanted } from "./related.ts";
import { addRemovals } from "./removals.ts";
import { changesSubpaths, subpathsFor } from "./subpaths.ts";

/** Why a ref is in a plan: somebody named it, or something that is in it needs or extends it. */
type Role = "requested" | "dependency" | "related";

/** When an image was built, seconds since 1970; NaN, which is neither older nor newer, where it does not say. */
export function timestampOf(labels: ReadonlyMap<string, string>): number {
  const text = labels.get("org.flatpak.timestamp") ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

/** Why an image that was looked up is no update; undefined where it is one. */
function whyNot({ image, origin }: Candidate, deployment: Deployment, subpaths: readonly string[]): string | undefined {
  if (image.commit === deployment.commit) return changesSubpaths(deployment, subpaths) ? undefined : upToDate;
  // An old version with known holes must not come back, whoever controls the registry.
  const isOlder = timestampOf(image.labels) < timestampOf(deployment.labels);
  return isOlder ? `the remote ${origin} has an older version` : undefined;
}

/** An update must not change who supplies an app without being told to. */
function fromElsewhere({ ref, origin }: Deployment, wanted: string): DowelError {
  return new DowelError("ALREADY_INSTALLED", `${formatRef(ref)} is installed from ${origin}, not from ${wanted}`, {
    hint: "To take it from there instead, use --reinstall.",
  });
}

/** Whether the image may be used here at all; where not, that is noted. */
function isUsable(draft: Draft, operation: "install" | "update", { image }: Candidate, role: Role): boolean {
  const ref = formatRef(image.ref);
  if (!/^required-flatpak\s*=/m.test(image.metadata)) return true;
  try {
    checkRequiredVersions(parseMetadata(image.metadata).requiredFlatpak, ref);
    return true;
  } catch (error) {
    if (!isDowelError(error)) throw error;
    if (role === "related") draft.warn(error.message);
    else if (operation === "install") draft.fatal ??= error;
    else draft.fail(operation, image.ref, error);
    return false;
  }
}

/** The refs that must be there first; undefined where that is not known yet, or where there is no way. */
function needsFor(draft: Draft, candidate: Candidate, before: Deployment | undefined): readonly string[] | undefined {
  const { ref, runtime } = candidate.image;
  if (draft.facts.options.noDeps === true || runtime === undefined) return [];
  const name = formatRef(runtime);
  const coming = draft.operations.get(name);
  if (coming !== undefined) return coming.operation === "install" ? [name] : [];
  if (updatePresent(draft, runtime, candidate.origin) || draft.isInstalledAnywhere(runtime)) return [];
  const found = findDependency(draft, runtime, candidate.origin);
  if (found === "pending") return undefined;
  if ("candidate" in found) {
    addInstall(draft, found.candidate, "dependency");
    return [name];
  }
  // A runtime that was missing before is no reason to refuse an update: the app gets no worse.
  const old = before === undefined ? undefined : needsOf(before).runtime;
  if (old !== undefined && sameRef(old, runtime)) return [];
  const error = runtimeNotFound(runtime, ref, found.searched);
  if (before === undefined) draft.fatal ??= error;
  else draft.fail("update", ref, error);
  return undefined;
}

/** The runtime that the installation has, or is to have, for an image. */
function reliesOn(draft: Draft, { image: { runtime } }: Candidate): Ref | undefined {
  if (draft.facts.options.noDeps === true || runtime === undefined) return undefined;
  const coming = draft.operations.get(formatRef(runtime))?.operation ?? "uninstall";
  return coming !== "uninstall" || draft.present(runtime) !== undefined ? runtime : undefined;
}

/** Updates what is needed or related and is here already, as far as that costs no further question to a remote. */
function updatePresent(draft: Draft, ref: Ref, origin: string): boolean {
  const present = draft.present(ref);
  if (present === undefined) return false;
  if (present.origin === origin) addUpdate(draft, present, "dependency");
  return true;
}

/** Adds the Sdk where that is asked for, and the extensions that come with an app or runtime. */
function addRelated(draft: Draft, { image, origin }: Candidate): void {
  const { options, holds, installed, remotes, answers, direct } = draft.facts;
  if (options.includeSdk === true) addSdk(draft, image.metadata, origin);
  if (options.noRelated === true || !image.metadata.includes("[Extension ")) return;
  const answer = direct?.origin.name === origin ? direct.offer : answers.get(`${origin} ${image.ref.arch}`);
  const remote = remotes.find(({ name }) => name === origin);
  if (answer === undefined && remote !== undefined && !remote.disabled) draft.answer(remote, image.ref.arch);
  if (answer === undefined || !("refs" in answer)) return;
  const own = installed.filter(({ installation }) => installation === draft.facts.target);
  const context = {
    holds,
    includeDebug: options.includeDebug === true,
    installed: own.map(({ deployment }) => deployment.ref),
  };
  const offered = answer.refs.map(({ ref }) => ref);
  const extensions = extensionsOf(image.ref, image.metadata, offered);
  if (extensions.length > limits.relatedExtensions) {
    draft.warn(
      `${formatRef(image.ref)} has more than ${limits.relatedExtensions} extensions; none of them is installed`,
    );
    return;
  }
  for (const extension of extensions) {
    if (!isWanted(extension, context) || draft.facts.masked(extension.ref)) continue;
    const found = draft.lookUp(origin, extension.ref);
    if ("candidate" in found) addInstall(draft, found.candidate, "related");
  }
}

function addSdk(draft: Draft, metadata: string, origin: string): void {
  const text = /^sdk\s*=\s*(\S+)/m.exec(metadata)?.[1];
  if (text === undefined) return;
  const ref = parseRuntimeName(text);
  if (draft.present(ref) !== undefined) return;
  const found = findDependency(draft, ref, origin);
  if (found === "pending") return;
  if ("candidate" in found) addInstall(draft, found.candidate, "dependency");
  else draft.warn(`The Sdk ${formatRef(ref)} is not in ${found.searched.join(", ")}`);
}

/**
 * Puts the successor in the place of something that has reached its end, where it names one that its remote has; or tells
 * that it will not be maintained. Answers whether it has been replaced.
 */
function replacesEnded(
  draft: Draft,
  candidate: Candidate,
  present: Deployment | undefined,
  earlierIds: readonly string[],
): boolean {
  const { ref, labels } = candidate.image;
  const { reason, successor } = endOfLife(labels);
  const name = formatRef(ref);
  const isCircle = successor !== undefined && (sameRef(successor, ref) || draft.rebases.has(formatRef(successor)));
  if (successor === undefined || isCircle) {
    if (reason !== undefined) draft.warn(`${name} is at the end of its life: ${reason}`);
    return false;
  }
  if (draft.facts.options.declined?.has(name) === true) return false;
  const isNeeded = draft.facts.installed.some(({ runtime }) => runtime !== undefined && sameRef(runtime, ref));
  const found = draft.lookUp(candidate.origin, successor);
  if (isNeeded || !("candidate" in found)) {
    if (!("pending" in found)) draft.warn(`${name} is at the end of its life, in favour of ${formatRef(successor)}`);
    return false;
  }
  const held = present === undefined ? [] : heldBack(draft, found.candidate, present);
  if (held.length > 0) {
    draft.skip("update", ref, `${formatRef(successor)} asks for new permissions: ${held.join(" ")}`, held);
    return true;
  }
  draft.rebases.set(name, formatRef(successor));
  const previousIds = [...earlierIds, ...(ref.id === successor.id ? [] : [ref.id])];
  if (draft.present(successor) === undefined) addInstall(draft, found.candidate, "requested", previousIds);
  const last = lastSuccessor(draft, successor);
  const isComing = draft.operations.has(last);
  if (present !== undefined && (isComing || draft.present(parseRef(last)) !== undefined)) {
    addRemovals(draft, [present], isComing ? [last] : []);
  }
  return true;
}

/** What takes the place of a ref in the end, where its successor has one too; there are no circles among them. */
function lastSuccessor(draft: Draft, ref: Ref): string {
  let last = formatRef(ref);
  for (let next = draft.rebases.get(last); next !== undefined; next = draft.rebases.get(last)) last = next;
  return last;
}

/** Notes the installation of an image, or the update of what is there of it, with all that belongs to it. */
export function addInstall(draft: Draft, candidate: Candidate, role: Role, previousIds: readonly string[] = []): void {
  const { image, origin } = candidate;
  const { ref } = image;
  const name = formatRef(ref);
  const { options } = draft.facts;
  if (draft.operations.has(name)) return;
  const present = draft.present(ref);
  const isRequested = role === "requested";
  if (present !== undefined && !(isRequested && options.reinstall === true)) {
    if (!isRequested) addUpdate(draft, present, role);
    else if (options.orUpdate !== true) draft.skip("install", ref, "it is installed already");
    else if (present.origin !== origin) draft.fatal ??= fromElsewhere(present, origin);
    else addUpdate(draft, present, role, candidate);
    return;
  }
  if (!isUsable(draft, "install", candidate, role)) return;
  if (isRequested && present === undefined && replacesEnded(draft, candidate, undefined, previousIds)) return;
  const needs = needsFor(draft, candidate, undefined);
  if (needs === undefined) return;
  const pin = isRequested && ref.kind === "runtime" && options.noAutoPin !== true && present === undefined;
  draft.operations.set(name, {
    operation: "install",
    ...{ ref, image, origin, needs, previousIds, pin },
    newRemote: candidate.newRemote,
    reliesOn: reliesOn(draft, candidate),
    optional: role === "related",
    subpaths: subpathsFor(draft.facts, ref, present, isRequested),
    reinstall: present !== undefined,
  });
  addRelated(draft, candidate);
}

/** Notes the update of something installed, where there is one. What is passed over is told only of what was asked for. */
export function addUpdate(draft: Draft, deployment: Deployment, role: Role, known?: Candidate): void {
  const { ref } = deployment;
  if (draft.operations.has(formatRef(ref)) || !draft.visits(ref, `update ${role} ${known?.origin ?? ""}`)) return;
  const isRequested = role === "requested";
  const found = lookUpUpdate(draft, deployment, known);
  if ("pending" in found) return;
  if ("candidate" in found) {
    if (!isRequested || !replacesEnded(draft, found.candidate, deployment, deployment.previousIds ?? [])) {
      addUpdateTo(draft, deployment, found.candidate, role);
    }
  } else if (isRequested && "reason" in found) draft.skip("update", ref, found.reason);
  else if (isRequested && "error" in found) draft.fail("update", ref, found.error);
}

function lookUpUpdate(draft: Draft, { ref, origin }: Deployment, known: Candidate | undefined): Lookup {
  if (draft.facts.masked(ref)) return { reason: "it is masked" };
  return known === undefined ? draft.lookUp(origin, ref) : { candidate: known };
}

function addUpdateTo(draft: Draft, deployment: Deployment, candidate: Candidate, role: Role): void {
  const { ref } = deployment;
  const held = heldBack(draft, candidate, deployment);
  const asks = held.length === 0 ? undefined : `it asks for new permissions: ${held.join(" ")}`;
  const subpaths = subpathsFor(draft.facts, ref, deployment, role === "requested");
  const reason = whyNot(candidate, deployment, subpaths) ?? asks;
  if (reason === undefined && !isUsable(draft, "update", candidate, role)) return;
  const needs = needsFor(draft, candidate, deployment);
  if (needs === undefined) return;
  if (reason === undefined) {
    draft.operations.set(formatRef(ref), {
      operation: "update",
      ...{ ref, image: candidate.image, origin: candidate.origin, newRemote: candidate.newRemote, needs },
      reliesOn: reliesOn(draft, candidate),
      previousIds: deployment.previousIds ?? [],
      subpaths,
      optional: role === "related",
      from: deployment,
    });
  } else if (role === "requested") draft.skip("update", ref, reason, reason === asks ? held : undefined);
  addRelated(draft, candidate);
}

/** What an update that waits for a person to agree would allow besides; empty where it need not wait. */
function heldBack(draft: Draft, { image }: Candidate, deployment: Deployment): readonly string[] {
  if (draft.facts.options.holdGrowth !== true || deployment.ref.kind !== "app") return [];
  return growthOf(deployment.metadata, image.metadata);
}
