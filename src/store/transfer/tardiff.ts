// SPDX-License-Identifier: Apache-2.0
import { closeSync, readSync } from "node:fs";
import { isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { applyTarDiff, type OldFile } from "../../formats/tardiff/apply.ts";
import type { Ref } from "../../metadata/ref.ts";
import type { ImageConfig } from "../../oci/config.ts";
import { findDeltas, type LayerDelta } from "../../oci/deltas.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestHex } from "../../oci/digest.ts";
import type { ImageManifest } from "../../oci/manifest.ts";
import type { ImageSource } from "../../oci/source.ts";
import type { ByteStream } from "../../oci/verify.ts";
import { openPlainFile } from "../../sys/plainfile.ts";
import { deployedCommits } from "../deployments.ts";
import type { LayerEntry } from "../image/layers.ts";
import { hasRecord, loadRecord } from "../image/record.ts";
import type { FileContent } from "../image/tree.ts";
import type { Installation } from "../installation.ts";
import { objectPath } from "../objects/paths.ts";
import { fetchBlob, forgetBlob } from "./blob.ts";
import type { LayerContext } from "./context.ts";
import { placesOf } from "./tables.ts";

const readBytes = 1024 * 1024;

/** A delta to a layer whose old layer came before and is here whole. */
export interface UsableDelta {
  readonly blob: Descriptor;
  readonly files: ReadonlyMap<string, FileContent>;
}

function filesOf(entries: readonly LayerEntry[]): ReadonlyMap<string, FileContent> {
  const files = new Map<string, FileContent>();
  for (const entry of entries) {
    const path = entry.path.join("/");
    if (entry.kind === "file") files.set(path, entry.content);
    const target = entry.kind === "hardlink" ? files.get(entry.target.join("/")) : undefined;
    if (target !== undefined) files.set(path, target);
  }
  return files;
}

/**
 * The deltas to an image, where they may be worth asking for: some layer of it is not here and is no zstd:chunked one, of
 * which parts are fetched, and an older version of its ref is here.
 */
export async function deltasFor(
  installation: Installation,
  source: ImageSource,
  image: { readonly manifest: ImageManifest; readonly config: ImageConfig; readonly ref: Ref; readonly digest: Digest },
  { deltaUrl, signal }: { readonly deltaUrl?: string | undefined; readonly signal?: AbortSignal | undefined },
): Promise<readonly LayerDelta[]> {
  const { manifest, config, ref, digest } = image;
  const isWanted = manifest.layers.some((layer, at) => {
    const diffId = config.diffIds[at];
    return placesOf(layer) === undefined && diffId !== undefined && !hasRecord(installation, diffId);
  });
  if (!isWanted || deployedCommits(installation, ref).length === 0) return [];
  return await findDeltas(source, digest, deltaUrl, signal);
}

/** The delta by which a layer is best made, if there is one that costs less than the layer. */
export function usableDelta(
  { installation, staging, layerDeltas }: LayerContext,
  layer: Descriptor,
  diffId: Digest,
): UsableDelta | undefined {
  const fitting = layerDeltas.filter(({ to, blob }: LayerDelta) => to === diffId && blob.size < layer.size);
  for (const { from, blob } of [...fitting].sort((left, right) => left.blob.size - right.blob.size)) {
    const entries = loadRecord(installation, from);
    if (entries === undefined) continue;
    const files = filesOf(entries);
    const isHere = ({ digest, size, inline }: FileContent) =>
      size === 0 || inline !== undefined || staging.has(digest, size);
    if ([...files.values()].every(isHere)) return { blob, files };
  }
  return undefined;
}

function openContent(installation: Installation, { digest, size, inline }: FileContent): OldFile {
  if (inline !== undefined || size === 0) {
    const bytes = inline ?? new Uint8Array(0);
    return { size, read: (offset, most) => bytes.subarray(offset, offset + most), [Symbol.dispose]: () => undefined };
  }
  const fd = openPlainFile(objectPath(installation, digest));
  return {
    size,
    read: (offset, most) => {
      const bytes = Buffer.allocUnsafe(Math.min(most, readBytes, size - offset));
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, offset));
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** The unpacked bytes of a layer, as the delta makes them; they are to be held against the layer's diff id. */
export function archiveByDelta(context: LayerContext, { blob, files }: UsableDelta, layer: Descriptor): ByteStream {
  const { installation, source, signal } = context;
  const open = (path: string): OldFile | undefined => {
    const content = files.get(path.replace(/^(\.?\/)+/, ""));
    return content === undefined ? undefined : openContent(installation, content);
  };
  const maxBytes = Math.min(
    limits.layerBytes,
    Math.max(limits.expansionFloorBytes, layer.size * limits.expansionRatio),
  );
  return applyTarDiff(fetchBlob(installation, source, blob, signal), open, { maxBytes, signal });
}

/** Whether a delta that failed was at fault, so that the whole layer is worth a try; its bytes are forgotten then. */
export function isDeltasFault(context: LayerContext, { blob }: UsableDelta, error: unknown): boolean {
  if (!isDowelError(error) || /^(ABORTED|NO_SPACE|NOT_PERMITTED|IO|STORE_INVALID)$/.test(error.code)) return false;
  forgetBlob(context.installation, blob);
  const text = `The delta ${digestHex(blob.digest).slice(0, 12)} cannot be used, the layer is fetched whole: ${error.message}`;
  context.report({ type: "note", text });
  return true;
}
