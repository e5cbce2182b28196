// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** An image made by GNU tar, gzip and hand-written JSON, so that no code of the product stands on both sides of a test. */
export interface HandMadeImage {
  readonly ref: string;
  readonly metadata: string;
  /** Folder whose content becomes the one layer. */
  readonly tree: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A layer as it is sent, and what manifest and config say of it, which a test may make a lie. */
export interface HandMadeLayer {
  readonly mediaType: string;
  readonly data: Uint8Array;
  readonly diffId: string;
  /** The digest that the manifest names and the blob's file is called by; else the true one. */
  readonly digest?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function putBlob(
  layout: string,
  mediaType: string,
  data: Uint8Array,
  digest: string = `sha256:${sha256(data)}`,
): Descriptor {
  writeFileSync(join(layout, "blobs", digest.replace(":", "/")), data);
  return { mediaType, digest, size: data.length };
}

function putJson(layout: string, mediaType: string, value: unknown): Descriptor {
  return putBlob(layout, mediaType, Buffer.from(JSON.stringify(value)));
}

/** A gzip layer of a tar archive. */
export function gzipLayer(tar: Uint8Array): HandMadeLayer {
  const data = execFileSync("gzip", ["-n"], { input: tar, maxBuffer: 1 << 30 });
  return { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", data, diffId: `sha256:${sha256(tar)}` };
}

/** Adds an image of one folder to an OCI layout folder, which is made where it is missing. Returns the manifest's digest. */
export function addImage(layout: string, image: HandMadeImage): string {
  const tar = execFileSync(
    "tar",
    ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1", "-cf", "-", "-C", image.tree, "."],
    {
      maxBuffer: 1 << 30,
    },
  );
  return addLayers(layout, image, [gzipLayer(tar)]);
}

/** Adds an image of the given layers to an OCI layout folder, which is made where it is missing. Returns the manifest's digest. */
export function addLayers(
  layout: string,
  image: Omit<HandMadeImage, "tree">,
  layers: readonly HandMadeLayer[],
): string {
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const config = putJson(layout, "application/vnd.oci.image.config.v1+json", {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Labels: { "org.flatpak.ref": image.ref, "org.flatpak.metadata": image.metadata, ...image.labels } },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = putJson(layout, "application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config,
    layers: layers.map(({ mediaType, data, digest, annotations }) => ({
      ...putBlob(layout, mediaType, data, digest),
      ...(annotations === undefined ? {} : { annotations }),
    })),
    ...(image.annotations === undefined ? {} : { annotations: image.annotations }),
  });
  addToIndex(layout, { ...manifest, annotations: { "org.opencontainers.image.ref.name": image.ref } });
  return manifest.digest;
}

function addToIndex(layout: string, entry: Descriptor): void {
  const path = join(layout, "index.json");
  const known: { manifests: Descriptor[] } = existsSync(path)
    ? JSON.parse(readFileSync(path, "utf8"))
    : { manifests: [] };
  const name = entry.annotations?.["org.opencontainers.image.ref.name"];
  const others = known.manifests.filter(
    ({ annotations }) => annotations?.["org.opencontainers.image.ref.name"] !== name,
  );
  writeFileSync(path, JSON.stringify({ schemaVersion: 2, manifests: [...others, entry] }));
}
