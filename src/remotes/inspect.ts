// SPDX-License-Identifier: Apache-2.0
import { toOciArch } from "../base/arch.ts";
import { type DowelError, isDowelError } from "../base/errors.ts";
import { decodeConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestHex } from "../oci/digest.ts";
import { decodeDocument, decodeManifest, type ImageManifest } from "../oci/manifest.ts";
import { isConfigType, isIndexType, isManifestType } from "../oci/mediatypes.ts";
import type { ImageSource, ResolvedDocument } from "../oci/source.ts";
import type { ListedImage } from "./types.ts";

/** What a listing keeps of an entry: where it stands and the names it goes by. */
interface EntryNames {
  readonly repository: string;
  readonly tags: readonly string[];
}

/** Errors that condemn one image of a listing, but not the listing. */
function isBadImage(error: unknown): error is DowelError {
  return (
    isDowelError(error, "OCI_MANIFEST_INVALID") ||
    isDowelError(error, "OCI_LAYOUT_INVALID") ||
    isDowelError(error, "DIGEST_MISMATCH") ||
    isDowelError(error, "TRANSFER_INCOMPLETE") ||
    isDowelError(error, "REGISTRY_NOT_FOUND") ||
    isDowelError(error, "LIMIT_EXCEEDED")
  );
}

/** Where images are inspected, and how. */
export interface Inspection {
  readonly source: ImageSource;
  /** Flatpak's name; undefined for all. */
  readonly arch: string | undefined;
  /** Takes what is wrong with images that are left out. */
  readonly problems: DowelError[];
  readonly signal: AbortSignal | undefined;
}

async function readManifest(
  { source, signal }: Inspection,
  descriptor: Descriptor,
  manifest: ImageManifest,
  names: EntryNames,
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

async function readDocument(
  inspection: Inspection,
  { descriptor, bytes }: ResolvedDocument,
  names: EntryNames,
): Promise<ListedImage[]> {
  const { source, arch, signal } = inspection;
  const parsed = decodeDocument(bytes, descriptor.mediaType, `${source.name}: ${descriptor.digest}`);
  if (parsed.kind === "manifest") return readManifest(inspection, descriptor, parsed, names);
  const found: ListedImage[] = [];
  for (const entry of platformEntries(parsed.manifests, arch)) {
    const body = await source.fetchDocument(entry, signal);
    const manifest = decodeManifest(body, entry.mediaType, `${source.name}: ${entry.digest}`);
    found.push(...(await readManifest(inspection, entry, manifest, names)));
  }
  return found;
}

async function leavingOutBad(inspection: Inspection, read: () => Promise<ListedImage[]>): Promise<ListedImage[]> {
  try {
    return await read();
  } catch (error) {
    if (!isBadImage(error)) throw error;
    inspection.problems.push(error);
    return [];
  }
}

/**
 * The images behind a manifest or an index, with the labels of their configs. What is damaged is left out and noted;
 * an unreachable registry is an error.
 */
export async function inspectDocument(
  inspection: Inspection,
  document: ResolvedDocument,
  names: EntryNames,
): Promise<ListedImage[]> {
  return leavingOutBad(inspection, () => readDocument(inspection, document, names));
}

/** As `inspectDocument`, for an entry whose bytes are still to be read. */
export async function inspectDescriptor(
  inspection: Inspection,
  descriptor: Descriptor,
  names: EntryNames,
): Promise<ListedImage[]> {
  if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) return [];
  const { source, signal } = inspection;
  return leavingOutBad(inspection, async () => {
    const bytes = await source.fetchDocument(descriptor, signal);
    return readDocument(inspection, { descriptor, bytes }, names);
  });
}
