// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import { DowelError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef, type RefKind } from "../metadata/ref.ts";
import { listAttestations } from "../oci/attestations.ts";
import type { Repository } from "../oci/client/registry.ts";
import { copyImage } from "../oci/copy.ts";
import { copyReferrers } from "../oci/copyreferrers.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { attachBundle, attachClassic } from "../oci/signatures/attach.ts";
import type { ImageSource } from "../oci/source.ts";
import { looksLikeLocation } from "../remotes/location.ts";
import { catalogueRepository } from "../remotes/naming.ts";
import { openPlace } from "../remotes/place.ts";
import { publicationOf } from "../remotes/shop/publication.ts";
import { publish } from "../remotes/shop/publish.ts";
import { hasCatalogue } from "../remotes/shop/read.ts";
import type { ImagePlace, RemoteRef } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { selectDirect } from "./direct.ts";
import { type FindOptions, findInstalled } from "./find.ts";
import { imageBefore, pushTocDeltas } from "./pushdelta.ts";
import { pushTarget } from "./pushtarget.ts";
import { type GpgSigning, signByGpg } from "./signgpg.ts";
import { placeOfSource } from "./sourceplace.ts";
import { parseInstallTarget } from "./targets.ts";

export interface PushOptions extends FindOptions {
  readonly kind?: RefKind | undefined;
  /** Installations in which an installed ref is looked for. */
  readonly installations?: readonly Installation[];
  /** Layout folders, such as the builder's, that may still have the image of an installed ref. */
  readonly layouts?: readonly string[];
  /** Whether to list the images in the namespace's catalogue; undefined: where it has one. */
  readonly catalogue?: boolean | undefined;
  /** Private key that signs what is pushed. */
  readonly signKey?: KeyObject | undefined;
  /** Key of GPG that signs it, and the folder of the lookaside that the signatures go into. */
  readonly gpg?: GpgSigning | undefined;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a push did. */
export interface PushResult {
  readonly ref: string;
  /** `docker://HOST/REPOSITORY:TAG` */
  readonly reference: string;
  /** Of the image, `sha256:HEX`. */
  readonly digest: string;
}

/** Opens a place if it still has a manifest. */
async function openWith(place: ImagePlace, commit: string, signal: AbortSignal | undefined) {
  let source: ImageSource | undefined;
  try {
    source = await openPlace(place, signal);
    await source.resolve(`sha256:${commit}`, signal);
    return source;
  } catch (error) {
    await source?.[Symbol.asyncDispose]();
    if (isDowelError(error) && error.code !== "ABORTED") return undefined;
    throw error;
  }
}

/**
 * Finds the blobs of an installed ref. An installation keeps the files of an image but not its layers as they were
 * transferred, and they cannot be made again byte for byte, so another place must have them.
 */
async function openInstalled(
  { deployment, installation }: { readonly deployment: Deployment; readonly installation: Installation },
  options: PushOptions,
): Promise<ImageSource> {
  const { commit, ref, source } = deployment;
  const layouts = (options.layouts ?? []).map((path): ImagePlace => ({ kind: "layout", path }));
  for (const place of [...layouts, placeOfSource(deployment, installation)]) {
    const opened = place === undefined ? undefined : await openWith(place, commit, options.signal);
    if (opened !== undefined) return opened;
  }
  throw new DowelError("REF_NOT_FOUND", `The image ${commit} of ${formatRef(ref)} is no longer at ${source}`, {
    hint: "An installation cannot push by itself; push from the layout that was built: push oci:FOLDER DESTINATION.",
  });
}

async function copyTo(
  source: ImageSource,
  image: Pick<RemoteRef, "ref" | "commit">,
  destination: string,
  options: PushOptions,
): Promise<PushResult> {
  const { report = silent, signal } = options;
  const { registry, repository, tags } = pushTarget(destination, image.ref);
  const target = registry.repository(repository);
  const digest = `sha256:${image.commit}`;
  const place = { arch: image.ref.arch, signal };
  const before = await imageBefore(target, tags[0] ?? "latest", place.arch, signal);
  const reportTags: Report = (event) => (event.type === "push.done" ? report(event) : undefined);
  for (const [at, to] of tags.entries()) {
    const shared = { from: digest, to, keepOtherArchitectures: true, signal };
    await copyImage(source, target, { ...shared, report: at === 0 ? report : reportTags });
  }
  const { descriptor } = await target.resolve(digest, signal);
  await copyReferrers(source, target, descriptor.digest, { report, signal });
  await pushTocDeltas(source, digest, target, before, place);
  await signPushed(target, descriptor, tags[0] ?? "latest", options);
  return { ref: formatRef(image.ref), reference: `${target.name}:${tags[0] ?? ""}`, digest };
}

/**
 * Signs an image, and what says how it was made, for their repository: in both of cosign's formats, or by GPG. Each
 * architecture's image is signed by itself.
 */
async function signPushed(
  target: Repository,
  image: Descriptor,
  tag: string,
  { signKey, gpg, signal }: PushOptions,
): Promise<void> {
  if (signKey === undefined && gpg === undefined) return;
  for (const descriptor of [image, ...(await listAttestations(target, image.digest, signal))]) {
    const { digest } = descriptor;
    const claim = { digest, reference: `${target.transport.base.host}/${target.repository}` };
    if (signKey !== undefined) await attachClassic(target, signKey, claim, signal);
    if (signKey !== undefined) await attachBundle(target, signKey, claim, descriptor, signal);
    if (gpg !== undefined) await signByGpg(target, { digest, tag }, gpg, signal);
  }
}

/** Lists pushed images in the catalogue of their namespace. */
async function listPushed(
  images: readonly Pick<RemoteRef, "ref" | "commit" | "labels">[],
  destination: string,
  options: PushOptions,
): Promise<void> {
  const { catalogue, report = silent, signal } = options;
  const targets = images.map((image) => ({ image, target: pushTarget(destination, image.ref) }));
  const [first] = targets;
  if (first === undefined || catalogue === false) return;
  const { registry, namespace } = first.target;
  const repository = registry.repository(catalogueRepository(namespace));
  if (catalogue === undefined && !(await hasCatalogue(repository, signal))) return;
  const below = namespace === "" ? 0 : namespace.length + 1;
  const publications = targets.map(({ image, target }) =>
    publicationOf(image, target.repository.slice(below), target.tags),
  );
  await publish(repository, publications, signal);
  report({ type: "note", text: `Listed in the catalogue ${repository.name}` });
}

/**
 * Pushes images, bytes unchanged, to `oci+http(s)://HOST/NAMESPACE` or `docker://HOST/REPOSITORY:TAG`. `what` is
 * `oci:FOLDER[:REF]`, `oci-archive:FILE[:REF]`, or the name of something installed, whose blobs are taken from
 * `options.layouts` or from where it was installed from. Without REF, a namespace takes every image of a layout, and
 * `docker://` its only one. Images of other architectures under the same tag stay. A namespace that has a catalogue lists
 * them afterwards.
 */
export async function push(
  what: string,
  destination: string,
  options: PushOptions = {},
): Promise<readonly PushResult[]> {
  if (!looksLikeLocation(what)) {
    const found = findInstalled(options.installations ?? [], what, options);
    await using source = await openInstalled(found, options);
    const result = await copyTo(source, found.deployment, destination, options);
    await listPushed([found.deployment], destination, options);
    return [result];
  }
  const target = parseInstallTarget([what], []);
  if (target.kind !== "direct") throw new DowelError("USAGE", `${what} is no image to push`);
  const all = destination.startsWith("oci+");
  const { images } = await selectDirect(target.location, target.refs, { ...options, all });
  const results: PushResult[] = [];
  for (const image of images) {
    await using source = await openPlace(image.place, options.signal);
    results.push(await copyTo(source, image, destination, options));
  }
  await listPushed(images, destination, options);
  return results;
}
