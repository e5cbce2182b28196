// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { formatRef, parseRef, type Ref, sameRef } from "../metadata/ref.ts";
import { loadImage } from "../oci/image.ts";
import type { ImageSource } from "../oci/source.ts";
import { listRemotes } from "../remotes/config.ts";
import { parseLocation } from "../remotes/location.ts";
import { openPlace } from "../remotes/place.ts";
import { verifyImage } from "../remotes/trust/verify.ts";
import type { ImagePlace } from "../remotes/types.ts";
import type { StoredImage } from "../store/image/stored.ts";
import type { Installation } from "../store/installation.ts";
import { pinObjects } from "../store/locks.ts";
import { importImage } from "../store/transfer/import.ts";
import { prepareExtra } from "./extra/apply.ts";
import type { ChangeContext } from "./fetch.ts";

/** Where a deployment came from, as it notes it. */
export interface Origin {
  readonly origin: string;
  readonly source: string;
}

/**
 * The place that a deployment's source names. Deployments note host and repository of a registry; whether it is asked
 * with or without TLS is the word of the remote, where that still is at the same host.
 */
export function placeOf(installation: Installation, { origin, source }: Origin): ImagePlace {
  if (!source.startsWith("docker://")) {
    const location = parseLocation(source);
    if (location.kind === "layout" || location.kind === "archive") return location;
    throw new DowelError("IMAGE_REFERENCE_INVALID", `"${source}" is no place that images come from`);
  }
  const rest = source.slice("docker://".length);
  const slash = rest.indexOf("/");
  const host = rest.slice(0, slash);
  const repository = rest.slice(slash + 1);
  const remote = listRemotes(installation).find(({ name }) => name === origin);
  const location = parseLocation(remote?.url ?? `docker://${host}`);
  const isSame = (location.kind === "registry" || location.kind === "image") && location.host === host;
  const plain = isSame ? location : parseLocation(`docker://${host}`);
  const secure = plain.kind !== "registry" && plain.kind !== "image" ? true : plain.secure;
  return { kind: "registry", baseUrl: `${secure ? "https" : "http"}://${host}/`, repository };
}

/**
 * Brings a certain version of a ref from where it came from, by its digest, and hands it to `use`, which keeps it from
 * being collected as garbage. Throws what registries and layouts throw, and `IMAGE_UNSUITABLE` where it is for
 * another ref, and what the policy throws.
 */
export async function withCommit<T>(
  ref: Ref,
  commit: string,
  origin: Origin,
  { installation, report, signal, subpaths }: ChangeContext & { readonly subpaths?: readonly string[] | undefined },
  use: (image: StoredImage) => Promise<T>,
): Promise<T> {
  const place = placeOf(installation, origin);
  await using source = await openPlace(place, signal);
  const { descriptor, manifestBytes: bytes, labels } = await loadImage(source, `sha256:${commit}`, ref.arch, signal);
  if (labels === undefined || !sameRef(parseRef(labels.ref), ref)) {
    const found = labels?.ref ?? "no ref at all";
    throw new DowelError(
      "IMAGE_UNSUITABLE",
      `${source.name}@${descriptor.digest} is for ${found}, expected ${formatRef(ref)}`,
    );
  }
  const remote = listRemotes(installation).find(({ name }) => name === origin.origin);
  await verifyImage(installation, place, descriptor.digest, { remote, signal });
  using _pin = await pinObjects(installation, { report, signal });
  const image = await importImage(installation, source, { descriptor, bytes }, { report, signal, subpaths });
  return await use(await prepareExtra(image, { installation, report, signal }));
}

/**
 * Whether the place that a version came from has it no more: it says so, and still has one of the `others` (digests or
 * tags), so that it is not the whole repository which has gone, or which it shows to nobody who does not log in.
 */
export async function isWithdrawn(
  installation: Installation,
  commit: string,
  others: readonly string[],
  origin: Origin,
  signal?: AbortSignal,
): Promise<boolean> {
  await using source = await openPlace(placeOf(installation, origin), signal);
  if (await has(source, `sha256:${commit}`, signal)) return false;
  for (const other of others) if (await has(source, other, signal)) return true;
  return false;
}

async function has(source: ImageSource, reference: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await source.resolve(reference, signal);
    return true;
  } catch (error) {
    if (isDowelError(error, "REGISTRY_NOT_FOUND") || isDowelError(error, "REF_NOT_FOUND")) return false;
    throw error;
  }
}
