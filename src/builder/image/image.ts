// SPDX-License-Identifier: Apache-2.0
import { toOciArch } from "../../base/arch.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import { encodeConfig } from "../../oci/config.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { encodeFlatpakLabels } from "../../oci/labels.ts";
import type { LayoutWriter } from "../../oci/layoutwriter.ts";
import { encodeManifest } from "../../oci/manifest.ts";
import { mediaTypes } from "../../oci/mediatypes.ts";
import { treeAnnotation } from "../../store/image/voucher.ts";
import { contentSize, type Tree } from "../tree/types.ts";
import { appdataLabel, appstreamLabels } from "./appstream.ts";
import { type LayerOptions, streamLayer } from "./layer.ts";
import { commitMetadata } from "./variant.ts";

/** `flatpak`: files, export and metadata at the top. `rootfs`: an app below `app`, a runtime below `usr`. */
export type ImageLayout = "flatpak" | "rootfs";

export interface ImageInput {
  readonly ref: Ref;
  /** `files/…`, `export/…` and `metadata`. */
  readonly tree: Tree;
  readonly metadata: string;
  readonly layout: ImageLayout;
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

/** Writes an image with one layer into a layout, under its ref. Equal inputs give equal digests. */
export async function writeImage(
  writer: LayoutWriter,
  input: ImageInput,
  options: LayerOptions,
): Promise<WrittenImage> {
  const tree = input.layout === "flatpak" ? input.tree : toRootfs(input.tree, input.ref);
  const layer = streamLayer(tree, options);
  const blob = await writer.addBlob(layer.chunks, "sha256", options.signal);
  const { diffId, annotations, tree: treeDigest } = layer.facts();
  const installedSize = treeSize(tree);
  const created = new Date(input.timestamp * 1000).toISOString().replace(".000Z", "Z");
  const ref = formatRef(input.ref);
  const appstream = appstreamLabels(input.tree, input.ref);
  const labels = encodeFlatpakLabels({
    ref,
    metadata: input.metadata,
    timestamp: input.timestamp,
    subject: input.subject,
    body: "",
    installedSize,
    downloadSize: blob.size,
    commitMetadata: commitMetadata(ref, input.metadata, installedSize, blob.size),
    appstream,
  });
  const configBytes = encodeConfig({
    os: "linux",
    architecture: toOciArch(input.ref.arch),
    created,
    labels,
    env: [],
    entrypoint: [],
    command: [],
    diffIds: [`sha256:${diffId}` as Digest],
    history: [{ created, createdBy: "dowel build" }],
  });
  const config = await writer.addBytes(configBytes, mediaTypes.ociConfig);
  const mediaType = options.compression === "gzip" ? mediaTypes.ociLayerGzip : mediaTypes.ociLayerZstd;
  const bytes = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    config,
    layers: [{ mediaType, digest: blob.digest, size: blob.size, annotations }],
    annotations: new Map(treeDigest === undefined ? [] : [[treeAnnotation, treeDigest]]),
  });
  const digest = digestOf(bytes);
  const descriptor = {
    mediaType: mediaTypes.ociManifest,
    digest,
    size: bytes.byteLength,
    platform: { os: "linux", architecture: toOciArch(input.ref.arch) },
  };
  await writer.putManifest({ descriptor, bytes }, ref, options.signal);
  return { descriptor, digest, layerSize: blob.size, installedSize, appdata: appstream.get(appdataLabel) };
}

function toRootfs(tree: Tree, ref: Ref): Tree {
  const top = ref.kind === "app" ? "app" : "usr";
  const result: Tree = new Map();
  for (const [path, entry] of tree) {
    if (path !== "files" && !path.startsWith("files/")) continue;
    const moved = entry.kind === "hardlink" ? { ...entry, to: top + entry.to.slice("files".length) } : entry;
    result.set(top + path.slice("files".length), moved);
  }
  return result;
}

function treeSize(tree: Tree): number {
  let size = 0;
  for (const entry of tree.values()) {
    if (entry.kind === "file") size += contentSize(entry.content);
    if (entry.kind === "symlink") size += encodeUtf8(entry.target).length;
  }
  return size;
}
