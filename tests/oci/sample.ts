// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { encodeConfig, type ImageConfig } from "../../src/oci/config.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { encodeFlatpakLabels } from "../../src/oci/labels.ts";
import { type LayoutWriter, openLayoutWriter } from "../../src/oci/layoutwriter.ts";
import { encodeManifest } from "../../src/oci/manifest.ts";
import { mediaTypes } from "../../src/oci/mediatypes.ts";
import { writeHeader } from "../../src/oci/tarheader.ts";

/** A folder that is removed when its scope ends. */
export async function scratchFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "dowel-oci-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export async function* chunksOf(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

/** Bytes that do not compress, the same for the same seed. */
export function noise(size: number, seed: string): Buffer {
  const parts: Buffer[] = [];
  for (let done = 0, at = 0; done < size; done += 64, at++)
    parts.push(createHash("sha512").update(`${seed}${at}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

/** A tar with one file. */
function tarOf(name: string, content: Uint8Array): Buffer {
  const padding = Buffer.alloc((512 - (content.byteLength % 512)) % 512);
  return Buffer.concat([writeHeader(name, content.byteLength), content, padding, Buffer.alloc(1024)]);
}

export interface SampleOptions {
  readonly ref?: string;
  readonly architecture?: string;
  readonly layerBytes?: number;
  readonly seed?: string;
  readonly name?: string;
}

export interface Sample {
  readonly descriptor: Descriptor;
  readonly layer: Descriptor;
  readonly layerBytes: Buffer;
}

/** Adds an image with one layer and Flatpak's labels to a layout. */
export async function addSample(writer: LayoutWriter, options: SampleOptions = {}): Promise<Sample> {
  const ref = options.ref ?? "app/org.example.Hello/x86_64/stable";
  const tar = tarOf("files/data", noise(options.layerBytes ?? 100_000, options.seed ?? ref));
  const layerBytes = gzipSync(tar, { level: 1 });
  const layer = { mediaType: mediaTypes.ociLayerGzip, digest: digestOf(layerBytes), size: layerBytes.byteLength };
  await writer.putBlob(layer, chunksOf(layerBytes));
  const configBytes = encodeConfig(sampleConfig(ref, options.architecture ?? "amd64", tar));
  const config = await writer.addBytes(configBytes, mediaTypes.ociConfig);
  const mediaType = mediaTypes.ociManifest;
  const bytes = encodeManifest({ mediaType, config, layers: [layer], annotations: new Map() });
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  await writer.putManifest({ descriptor, bytes }, options.name ?? ref);
  return { descriptor, layer, layerBytes };
}

export function sampleConfig(ref: string, architecture: string, tar: Uint8Array): ImageConfig {
  const labels = encodeFlatpakLabels({
    ref,
    metadata: "[Application]\nname=org.example.Hello\n",
    commitMetadata: new Map(),
    appstream: new Map(),
  });
  const base = { env: [], entrypoint: [], command: [], history: [{ createdBy: "test" }] };
  return { os: "linux", architecture, labels, diffIds: [digestOf(tar)], ...base };
}

export async function sampleLayout(path: string, options: SampleOptions = {}): Promise<Sample> {
  return addSample(await openLayoutWriter(path), options);
}
