// SPDX-License-Identifier: Apache-2.0
import type { Report } from "../base/events.ts";
import { limits } from "../base/limits.ts";
import { copyDocument } from "./copy.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { decodeDocument } from "./manifest.ts";
import type { ImageDestination, ImageSource } from "./source.ts";
import { tocDeltaType } from "./tocdelta.ts";

export interface CopyReferrersOptions {
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Signatures hang on what hangs on an image; nothing hangs deeper. */
const mostDepth = 2;

/**
 * Copies what refers to a manifest, and what refers to that: lists of parts, provenance, signatures. What only seems to
 * refer to it, or is larger than limits allow, is left out. The manifest itself must be at the destination.
 */
export async function copyReferrers(
  source: ImageSource,
  destination: ImageDestination,
  subject: Digest,
  options: CopyReferrersOptions = {},
  depth = 1,
): Promise<void> {
  const listed = (await source.referrers?.(subject, undefined, options.signal)) ?? [];
  const wanted = listed.filter(({ artifactType }) => artifactType !== tocDeltaType);
  for (const [at, referrer] of wanted.entries()) {
    if (at >= limits.referrersPerImage) {
      const text = `${source.name}@${subject}: only ${limits.referrersPerImage} of what refers to it is copied`;
      options.report?.({ type: "warning", text });
      return;
    }
    if (!(await copyReferrer(source, destination, referrer, subject, options))) continue;
    if (depth < mostDepth) await copyReferrers(source, destination, referrer.digest, options, depth + 1);
  }
}

async function copyReferrer(
  source: ImageSource,
  destination: ImageDestination,
  referrer: Descriptor,
  subject: Digest,
  { report, signal }: CopyReferrersOptions,
): Promise<boolean> {
  const what = `${source.name}@${referrer.digest}`;
  const bytes = await source.fetchDocument(referrer, signal);
  const parsed = decodeDocument(bytes, referrer.mediaType, what);
  if (parsed.kind !== "manifest" || parsed.subject?.digest !== subject) return false;
  const size = parsed.layers.reduce((sum, layer) => sum + layer.size, parsed.config.size);
  if (size > limits.referrerBytes) {
    report?.({ type: "warning", text: `${what}: ${size} bytes refer to an image; it is not copied` });
    return false;
  }
  const { mediaType, digest, size: length } = referrer;
  const artifactType = parsed.artifactType ?? parsed.config.mediaType;
  const descriptor = { mediaType, digest, size: length, artifactType };
  await copyDocument(source, destination, { descriptor, bytes }, { signal });
  return true;
}
