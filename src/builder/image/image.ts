// SPDX-License-Identifier: Apache-2.0
import { toOciArch } from "../../base/arch.ts";
import { isDowelError } from "../../base/errors.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { type Metadata, parseMetadata } from "../../metadata/metadata.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import { encodeConfig } from "../../oci/config.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { encodeFlatpakLabels, type FlatpakLabels } from "../../oci/labels.ts";
import type { LayoutWriter } from "../../oci/layoutwriter.ts";
import { encodeManifest } from "../../oci/manifest.ts";
import { mediaTypes } from "../../oci/mediatypes.ts";
import type { FolderNode } from "../../store/image/tree.ts";
import { viewOf } from "../../store/image/view.ts";
import { viewAnnotation, viewDigest } from "../../store/image/voucher.ts";
import { contentSize, type Tree } from "../tree/types.ts";
import { appdataLabel, appstreamLabels } from "./appstream.ts";
import { type LayerOptions, streamLayer } from "./layer.ts";
import { toRootfs, wholeRoot } from "./rootfs.ts";
import { appConfig, noRunConfig, type RunConfig, runtimeConfig } from "./runconfig.ts";
import { commitMetadata } from "./variant.ts";

/**
 * `flatpak`: files, export and metadata at the top. `rootfs`: an app below `app`, a runtime as a whole root. `container`: as
 * `rootfs`, and an app has its runtime as a layer below it.
 */
export type ImageLayout = "flatpak" | "rootfs" | "container";

export interface ImageInput {
  readonly ref: Ref;
  /** `files/…`, `export/…` and `metadata`. */
  readonly tree: Tree;
  readonly metadata: string;
  readonly layout: ImageLayout;
  /** The runtime that goes below an app, its files below `files/`. */
  readonly beneath?: { readonly tree: Tree; readonly metadata: Metadata } | undefined;
  /** Seconds since 1970, for `created` and the label. */
  readonly timestamp: number;
  readonly subject: string;
}

export interface WrittenImage {
  /** Of the manifest. */
  readonly descriptor: Descriptor;
  readonly digest: Digest;
  readonly layerSize: number;
  readonly installedSize: number;
  /** AppStream data that it carries. */
  readonly appdata: string | undefined;
}

interface WrittenLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** The tree that it makes alone, where somebody may use what is known of it. */
  readonly tree: FolderNode | undefined;
}

async function writeLayer(writer: LayoutWriter, tree: Tree, options: LayerOptions): Promise<WrittenLayer> {
  const layer = streamLayer(tree, options);
  const { digest, size } = await writer.addBlob(layer.chunks, "sha256", options.signal);
  const { diffId, annotations, tree: made } = layer.facts();
  const mediaType = options.compression === "gzip" ? mediaTypes.ociLayerGzip : mediaTypes.ociLayerZstd;
  return {
    descriptor: { mediaType, digest, size, annotations },
    diffId: `sha256:${diffId}` as Digest,
    tree: made,
  };
}

/** How others start a container of the image; Flatpak's own layout is no root for one. */
function runConfig({ layout, ref, beneath }: ImageInput, metadata: Metadata, tree: Tree): RunConfig {
  if (layout === "flatpak" || metadata.extensionOf !== undefined) return noRunConfig;
  return ref.kind === "app" ? appConfig(metadata, beneath?.metadata, tree) : runtimeConfig(metadata, tree);
}

function labelsOf(
  { ref, metadata, timestamp, subject }: ImageInput,
  sizes: Required<Pick<FlatpakLabels, "downloadSize" | "installedSize" | "appstream">>,
): ReadonlyMap<string, string> {
  const name = formatRef(ref);
  const { installedSize, downloadSize } = sizes;
  const packed = commitMetadata(name, metadata, installedSize, downloadSize);
  return encodeFlatpakLabels({ ref: name, metadata, timestamp, subject, body: "", commitMetadata: packed, ...sizes });
}

/** The annotations that say what installations make of a tree; none where they would refuse it. */
function vouch(tree: FolderNode, ref: Ref): ReadonlyMap<string, string> {
  try {
    return new Map([[viewAnnotation, viewDigest(viewOf(tree, ref.kind, formatRef(ref)))]]);
  } catch (error) {
    if (isDowelError(error, "IMAGE_UNSUITABLE")) return new Map();
    throw error;
  }
}

/** Writes an image into a layout, under its ref. Equal inputs give equal digests. */
export async function writeImage(
  writer: LayoutWriter,
  input: ImageInput,
  options: LayerOptions,
): Promise<WrittenImage> {
  const metadata = parseMetadata(input.metadata);
  const tree = input.layout === "flatpak" ? input.tree : toRootfs(input.tree, input.ref, metadata);
  const root = input.beneath === undefined ? undefined : wholeRoot(input.beneath.tree);
  const layers: WrittenLayer[] = [];
  for (const one of root === undefined ? [tree] : [root, tree]) layers.push(await writeLayer(writer, one, options));
  const downloadSize = layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const installedSize = treeSize(tree);
  const created = new Date(input.timestamp * 1000).toISOString().replace(".000Z", "Z");
  const ref = formatRef(input.ref);
  const appstream = appstreamLabels(input.tree, input.ref);
  const labels = labelsOf(input, { downloadSize, installedSize, appstream });
  const configBytes = encodeConfig({
    os: "linux",
    architecture: toOciArch(input.ref.arch),
    created,
    labels,
    ...runConfig(input, metadata, tree),
    diffIds: layers.map(({ diffId }) => diffId),
    history: layers.map(() => ({ created, createdBy: "dowel build" })),
  });
  const config = await writer.addBytes(configBytes, mediaTypes.ociConfig);
  const [first, second] = layers;
  const alone = second === undefined ? first?.tree : undefined;
  const bytes = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    config,
    layers: layers.map(({ descriptor }) => descriptor),
    annotations: alone === undefined ? new Map() : vouch(alone, input.ref),
  });
  const digest = digestOf(bytes);
  const descriptor = {
    mediaType: mediaTypes.ociManifest,
    digest,
    size: bytes.byteLength,
    platform: { os: "linux", architecture: toOciArch(input.ref.arch) },
  };
  await writer.putManifest({ descriptor, bytes }, ref, options.signal);
  return { descriptor, digest, layerSize: downloadSize, installedSize, appdata: appstream.get(appdataLabel) };
}

function treeSize(tree: Tree): number {
  let size = 0;
  for (const entry of tree.values()) {
    if (entry.kind === "file") size += contentSize(entry.content);
    if (entry.kind === "symlink") size += encodeUtf8(entry.target).length;
  }
  return size;
}
