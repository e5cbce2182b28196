// SPDX-License-Identifier: Apache-2.0
import { limits } from "../base/limits.ts";
import { mapAtMost } from "../base/parallel.ts";
import { encodeUtf8 } from "../base/text.ts";
import { putBytes, putDocument } from "./artifact.ts";
import type { Repository } from "./client/registry.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Digest, isDigest } from "./digest.ts";
import { decodeManifest } from "./manifest.ts";
import { mediaTypes } from "./mediatypes.ts";
import type { ImageSource } from "./source.ts";

/** How to make something of a layer of what an earlier layer had. */
export interface ChunkedDelta {
  /**
   * Whether it makes the table of contents of one with that table, says which entries of the layer are those of the earlier
   * one, or makes contents of files, of earlier ones or alone.
   */
  readonly makes: "table" | "entries" | "files";
  /** Digest of the earlier layer's unpacked bytes, and of its packed table. */
  readonly fromLayer: Digest;
  readonly from: string;
  /** Digest of the packed table of the later layer, and the size of that table unpacked; 0 where nothing says it. */
  readonly to: string;
  readonly unpackedSize: number;
}

/** A delta in a repository. */
export type FoundDelta = ChunkedDelta & { readonly blob: Descriptor };

const documentsAtOnce = 4;

/** Type of the artifacts that carry deltas. They are about the images of one repository, so that a copy leaves them. */
export const tocDeltaType = "application/vnd.dowel.toc-delta.v1";
const blobTypes = {
  table: "application/vnd.dowel.toc-delta.v1+zstd",
  entries: "application/vnd.dowel.entry-delta.v1+zstd",
  files: "application/vnd.dowel.file-delta.v2",
} as const;
const keys = {
  fromLayer: "org.dowel.toc-delta.from-diff-id",
  from: "org.dowel.toc-delta.from",
  to: "org.dowel.toc-delta.to",
  unpackedSize: "org.dowel.toc-delta.unpacked-size",
} as const;

/**
 * Hangs deltas on a manifest: an artifact that refers to it, which others pass over. Those that are found in the
 * repository already are named again.
 */
export async function attachTocDeltas(
  target: Repository,
  subject: Descriptor,
  deltas: readonly (FoundDelta | (ChunkedDelta & { readonly bytes: Uint8Array }))[],
  signal?: AbortSignal,
): Promise<void> {
  const layers: Descriptor[] = [];
  for (const delta of deltas) {
    const { makes, fromLayer, from, to, unpackedSize } = delta;
    const annotations = new Map<string, string>([
      [keys.fromLayer, fromLayer],
      [keys.from, from],
      [keys.to, to],
      [keys.unpackedSize, `${unpackedSize}`],
    ]);
    const { mediaType, digest, size } =
      "blob" in delta ? delta.blob : await putBytes(target, delta.bytes, blobTypes[makes], signal);
    layers.push({ mediaType, digest, size, annotations });
  }
  const document = {
    mediaType: mediaTypes.ociManifest,
    artifactType: tocDeltaType,
    config: await putBytes(target, encodeUtf8("{}"), mediaTypes.ociEmpty, signal),
    layers,
    annotations: new Map<string, string>(),
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
  };
  await putDocument(target, document, undefined, signal);
}

/** The deltas that hang on a manifest, with the descriptors of their bytes; nothing in them is checked. */
export async function findTocDeltas(
  source: ImageSource,
  manifest: Digest,
  signal?: AbortSignal,
): Promise<readonly FoundDelta[]> {
  const referrers = (await source.referrers?.(manifest, tocDeltaType, signal)) ?? [];
  const found = await mapAtMost(referrers.slice(-limits.tocDeltasPerImage), documentsAtOnce, async (referrer) => {
    const bytes = await source.fetchDocument(referrer, signal);
    const { layers } = decodeManifest(bytes, referrer.mediaType, `${source.name}@${referrer.digest}`);
    return layers.flatMap((blob) => decodeDelta(blob) ?? []);
  });
  return found.flat().slice(0, limits.deltasPerImage);
}

function decodeDelta(blob: Descriptor): FoundDelta | undefined {
  const text = (key: keyof typeof keys): string => blob.annotations?.get(keys[key]) ?? "";
  const makes = (["table", "entries", "files"] as const).find((kind) => blobTypes[kind] === blob.mediaType);
  const fromLayer = text("fromLayer");
  if (makes === undefined || !isDigest(fromLayer)) return undefined;
  const unpackedSize = /^\d{1,12}$/.test(text("unpackedSize")) ? Number(text("unpackedSize")) : 0;
  return { makes, fromLayer, from: text("from"), to: text("to"), unpackedSize, blob };
}

/**
 * The shortest way to the version of a layer that has a table from one that is at hand: deltas in the order to apply them,
 * at most `limits.deltaVersions`. Undefined where there is none.
 */
export function wayTo(
  deltas: readonly FoundDelta[],
  to: string,
  isAtHand: (delta: FoundDelta) => boolean,
): readonly FoundDelta[] | undefined {
  let ways: readonly FoundDelta[][] = [[]];
  const seen = new Set([to]);
  for (let step = 0; step < limits.deltaVersions; step++) {
    const longer: FoundDelta[][] = [];
    for (const way of ways) {
      const wanted = way[0]?.from ?? to;
      for (const delta of deltas.filter((one) => one.to === wanted && !seen.has(one.from))) {
        if (isAtHand(delta)) return [delta, ...way];
        seen.add(delta.from);
        longer.push([delta, ...way]);
      }
    }
    ways = longer;
  }
  return undefined;
}

/** The deltas that may help somebody with a version before the given tables, at most `limits.deltaVersions` back. */
export function deltasBefore(deltas: readonly FoundDelta[], tables: Iterable<string>): readonly FoundDelta[] {
  const kept = new Set<FoundDelta>();
  let wanted = new Set(tables);
  // one step is what comes after these
  for (let step = 1; step < limits.deltaVersions; step++) {
    const next = new Set<string>();
    for (const delta of deltas) {
      if (kept.has(delta) || !wanted.has(delta.to)) continue;
      kept.add(delta);
      next.add(delta.from);
    }
    wanted = next;
  }
  return [...kept];
}
