// SPDX-License-Identifier: Apache-2.0
import { toOciArch } from "../base/arch.ts";
import { isDowelError } from "../base/errors.ts";
import { decodeConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestHex } from "../oci/digest.ts";
import { decodeDocument, decodeManifest, type ImageManifest } from "../oci/manifest.ts";
import { isConfigType, isIndexType, isManifestType } from "../oci/mediatypes.ts";
import type { ImageSource } from "../oci/source.ts";
import type { ListedImage } from "./types.ts";

/** What a listing keeps of an entry: where it stands and the names it goes by. */
export interface EntryNames {
  readonly repository: string;
  readonly tags: readonly string[];
}

/** Errors that condemn one image of a listing, but not the listing. */
function isBadImage(error: unknown): boolean {
  return (
    isDowelError(error, "OCI_MANIFEST_INVALID") ||
    isDowelError(error, "OCI_LAYOUT_INVALID") ||
    isDowelError(error, "DIGEST_MISMATCH") ||
    isDowelError(error, "TRANSFER_INCOMPLETE") ||
    isDowelError(error, "REGISTRY_NOT_FOUND") ||
    isDowelError(error, "LIMIT_EXCEEDED")
  );
}

async function readManifest(
  source: ImageSource,
  descriptor: Descriptor,
  manifest: ImageManifest,
  names: EntryNames,
  signal: AbortSignal | undefined,
): Promise<ListedImage[]> {
  if (!descriptor.digest.startsWith("sha256:") || !isConfigType(manifest.config.mediaType)) return [];
  const what = `${source.name}: config ${manifest.config.digest}`;
  const config = decodeConfig(await source.fetchDocument(manifest.config, signal), what);
  if (config.os !== "linux") return [];
  return [{ ...names, commit: digestHex(descriptor.digest), labels: config.labels }];
}

/** The manifests of an index that are for Linux and, where one is wanted, for the architecture. */
function platformEntries(entries: readonly Descriptor[], arch: string | undefined): readonly Descriptor[] {
  return entries.filter(
    ({ mediaType, platform }) =>
      isManifestType(mediaType) &&
      (platform === undefined ||
        (platform.os === "linux" && (arch === undefined || platform.architecture === toOciArch(arch)))),
  );
}

/**
 * The images behind a manifest or an index, with the labels of their configs. What is damaged or no image of an app
 * or runtime is left out; an unreachable registry is an error.
 */
export async function inspectEntry(
  source: ImageSource,
  document: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  names: EntryNames,
  arch: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ListedImage[]> {
  const { descriptor, bytes } = document;
  try {
    const what = `${source.name}: ${descriptor.digest}`;
    const parsed = decodeDocument(bytes, descriptor.mediaType, what);
    if (parsed.kind === "manifest") return await readManifest(source, descriptor, parsed, names, signal);
    const found: ListedImage[] = [];
    for (const entry of platformEntries(parsed.manifests, arch)) {
      const body = await source.fetchDocument(entry, signal);
      const manifest = decodeManifest(body, entry.mediaType, `${source.name}: ${entry.digest}`);
      found.push(...(await readManifest(source, entry, manifest, names, signal)));
    }
    return found;
  } catch (error) {
    if (isBadImage(error)) return [];
    throw error;
  }
}

/** As `inspectEntry`, for an entry of a layout's index, whose bytes are still to be read. */
export async function inspectDescriptor(
  source: ImageSource,
  descriptor: Descriptor,
  names: EntryNames,
  arch: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ListedImage[]> {
  if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) return [];
  let bytes: Uint8Array;
  try {
    bytes = await source.fetchDocument(descriptor, signal);
  } catch (error) {
    if (isBadImage(error)) return [];
    throw error;
  }
  return inspectEntry(source, { descriptor, bytes }, names, arch, signal);
}
