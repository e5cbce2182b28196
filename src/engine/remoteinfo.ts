// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { formatRef, sameRef } from "../metadata/ref.ts";
import { Repository } from "../oci/client/registry.ts";
import type { ImageSource } from "../oci/source.ts";
import { aboutOf, shownNameOf } from "../remotes/about.ts";
import { inspectDocument } from "../remotes/inspect.ts";
import { commitText, readFlatpakImage } from "../remotes/labels.ts";
import { openPlace } from "../remotes/place.ts";
import { selectRef } from "../remotes/select.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";
import { readName } from "./find.ts";
import { offeredRefs, remotesToAsk } from "./offered.ts";
import type { RefSelection } from "./types.ts";

export interface RemoteInfoOptions extends RefSelection {
  /** A certain version, by its manifest's digest (64 hex digits). */
  readonly commit?: string | undefined;
  readonly cached?: boolean | undefined;
  /** Only what media hold, of what was heard last of the remote. */
  readonly sideloaded?: boolean | undefined;
  /** Also the versions that other tags stand for. */
  readonly log?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A version that a registry still has. */
export interface LoggedVersion {
  readonly commit: string;
  readonly subject: string;
  /** Seconds since 1970; undefined where the image does not say. */
  readonly timestamp: number | undefined;
}

/** All that is known about something that a remote offers. Texts are the image's own; empty where it says nothing. */
export interface RemoteInfo {
  readonly name: string;
  readonly summary: string;
  readonly id: string;
  readonly ref: string;
  readonly arch: string;
  readonly branch: string;
  readonly version: string;
  readonly license: string;
  readonly remote: string;
  /** Bytes; 0 where the image does not say. */
  readonly downloadSize: number;
  readonly installedSize: number;
  /** `ID/ARCH/BRANCH`, or empty. */
  readonly runtime: string;
  readonly sdk: string;
  readonly commit: string;
  readonly parent: string;
  readonly subject: string;
  readonly timestamp: number | undefined;
  readonly endOfLife: string;
  readonly endOfLifeRebase: string;
  readonly metadata: string;
  /** Newest first; empty where it was not asked for. */
  readonly log: readonly LoggedVersion[];
}

/** Tags that are looked at for `--log`. */
const mostTags = 200;

function timestampOf(labels: RemoteRef["labels"]): number | undefined {
  const text = labels.get("org.flatpak.timestamp") ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Of the images behind a tag or digest the one that is for a ref; undefined where none is. */
async function imageAt(
  found: RemoteRef,
  reference: string,
  source: ImageSource,
  signal: AbortSignal | undefined,
): Promise<RemoteRef | undefined> {
  const inspection = { source, arch: found.ref.arch, problems: [], signal };
  const names = { repository: "", tags: [] };
  const document = await source.resolve(reference, signal);
  for (const { commit, labels } of await inspectDocument(inspection, document, names)) {
    if (labels.get("org.flatpak.ref") !== formatRef(found.ref)) continue;
    const { timestamp: _, ...facts } = readFlatpakImage(labels, `${source.name}@sha256:${commit}`);
    return { ...found, ...facts, commit, labels, about: undefined };
  }
  return undefined;
}

async function versionOf(found: RemoteRef, commit: string, signal: AbortSignal | undefined): Promise<RemoteRef> {
  if (!/^[0-9a-f]{64}$/.test(commit)) {
    throw new DowelError("USAGE", `--commit=${commit}: a version is named by 64 hex digits`);
  }
  await using source = await openPlace(found.place, signal);
  const image = await imageAt(found, `sha256:${commit}`, source, signal);
  if (image !== undefined && sameRef(image.ref, found.ref)) return image;
  throw new DowelError("REF_NOT_FOUND", `${source.name}@sha256:${commit} is no version of ${formatRef(found.ref)}`);
}

async function tagsOf(source: ImageSource, signal: AbortSignal | undefined): Promise<readonly string[]> {
  if (!(source instanceof Repository)) return [];
  const tags: string[] = [];
  for await (const page of source.tags(signal)) tags.push(...page.slice(0, mostTags - tags.length));
  return tags;
}

/** The versions of a ref that tags of its repository stand for, the newest first. */
async function logOf(found: RemoteRef, signal: AbortSignal | undefined): Promise<readonly LoggedVersion[]> {
  await using source = await openPlace(found.place, signal);
  const versions = new Map<string, LoggedVersion>();
  for (const tag of await tagsOf(source, signal)) {
    try {
      const image = await imageAt(found, tag, source, signal);
      if (image === undefined) continue;
      const subject = image.labels.get("org.flatpak.subject") ?? "";
      versions.set(image.commit, { commit: image.commit, subject, timestamp: timestampOf(image.labels) });
    } catch (error) {
      // A tag may go away while its list is read, or stand for something else.
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
    }
  }
  return [...versions.values()].sort((left, right) => (right.timestamp ?? 0) - (left.timestamp ?? 0));
}

function describe(image: RemoteRef, log: readonly LoggedVersion[]): RemoteInfo {
  const { ref, labels, metadata } = image;
  const about = aboutOf(image);
  const label = (name: string): string => labels.get(`org.flatpak.${name}`) ?? "";
  const group = ref.kind === "app" ? "Application" : "Runtime";
  const keyfile = parseKeyfile(metadata, `${formatRef(ref)}: metadata`);
  return {
    name: shownNameOf(about, ref.id),
    summary: about.summary ?? "",
    id: ref.id,
    ref: formatRef(ref),
    arch: ref.arch,
    branch: ref.branch,
    version: about.version ?? "",
    license: about.license ?? "",
    remote: image.remote,
    downloadSize: image.downloadSize,
    installedSize: image.installedSize,
    runtime: keyfile.get(group, "runtime") ?? "",
    sdk: keyfile.get(group, "sdk") ?? "",
    commit: image.commit,
    parent: label("parent-commit"),
    subject: label("subject"),
    timestamp: timestampOf(labels),
    endOfLife: commitText(labels, "ostree.endoflife") ?? "",
    endOfLifeRebase: commitText(labels, "ostree.endoflife-rebase") ?? "",
    metadata,
    log,
  };
}

/** Finds what a remote (its name, or a location) offers under a name, in the version that is asked for. */
export async function findOffered(
  installations: readonly Installation[],
  remoteName: string,
  name: string,
  { commit, ...options }: RemoteInfoOptions = {},
): Promise<{ readonly image: RemoteRef; readonly installation: Installation; readonly remote: Remote }> {
  const wanted = readName(name, options);
  const [asked] = remotesToAsk(installations, remoteName);
  if (asked === undefined) throw new DowelError("REMOTE_NOT_FOUND", `There is no remote ${JSON.stringify(remoteName)}`);
  const [installation, remote] = asked;
  const { cached, sideloaded, signal } = options;
  const refs = await offeredRefs(installation, remote, { arch: wanted.arch, cached, sideloaded, signal });
  const found = selectRef([{ remote, refs }], wanted);
  const image = commit === undefined ? found : await versionOf(found, commit, signal);
  return { image, installation, remote };
}

/**
 * What a remote (its name, or a location) says of one ref. Throws `REMOTE_NOT_FOUND`, `REF_NOT_FOUND`,
 * `REF_AMBIGUOUS` and what the registry throws.
 */
export async function remoteInfo(
  installations: readonly Installation[],
  remoteName: string,
  name: string,
  options: RemoteInfoOptions = {},
): Promise<RemoteInfo> {
  const { image } = await findOffered(installations, remoteName, name, options);
  return describe(image, options.log === true ? await logOf(image, options.signal) : []);
}
