// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { TarInput } from "../../../src/formats/tar/write.ts";
import { Registry } from "../../../src/oci/client/registry.ts";
import type { ImageSource, ResolvedDocument } from "../../../src/oci/source.ts";
import { entry, file, type Written, writeLayer } from "../../formats/zstd-chunked/support.ts";
import { appLabels, appMetadata } from "../images.ts";

const id = "org.test.Hello";

/** How a registry answers to requests for parts of a blob. */
export interface Answers {
  readonly ranges?: "ignored" | "single" | "416" | "400" | "reordered";
  /** Each answer ends after so many bytes. */
  readonly cutAfter?: number;
  /** No answer to requests for parts any more after so many bytes. */
  readonly deadAfter?: number;
  /** Annotations of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Changes this byte of the first range of the second request for parts. */
  readonly corruptAt?: number;
}

export interface Offer {
  readonly layers: readonly Written[];
  readonly source: () => Promise<ImageSource>;
  readonly document: () => Promise<ResolvedDocument>;
  /** Bytes of layers that were sent. */
  readonly sent: () => number;
  /** Range headers of requests for parts. */
  readonly ranges: () => readonly string[];
  readonly close: () => Promise<void>;
}

export function appInputs(files: Readonly<Record<string, Uint8Array | string>>): TarInput[] {
  return Object.entries({ metadata: appMetadata(id), ...files }).map(([path, body]) => file(path, body));
}

/** Entries of files, and a hard link from the second path to the first. */
export function putTogether(
  files: Readonly<Record<string, Uint8Array | string>>,
  [target, path]: readonly [string, string],
): TarInput[] {
  return [...appInputs(files), { entry: entry(path, { type: "hardlink", linkName: target }) }];
}

export async function appLayer(files: Readonly<Record<string, Uint8Array | string>>): Promise<Written> {
  return await writeLayer(appInputs(files));
}

/** The layer with another table of contents behind the same archive, under its right digest or not. */
export function relabelled(written: Written, change: (toc: string) => string, wrongDigest = false): Written {
  const { blob, layer } = written;
  const key = "io.github.containers.zstd-chunked.manifest-";
  const splitKey = "io.github.containers.zstd-chunked.tarsplit-position";
  const numbers = (name: string) => (layer.annotations[name] ?? "").split(":").map(Number);
  const [offset = 0, size = 0] = numbers(`${key}position`);
  const [splitOffset = 0, splitSize = 0, splitUnpacked = 0] = numbers(splitKey);
  const json = change(zstdDecompressSync(blob.subarray(offset, offset + size)).toString());
  const packed = zstdCompressSync(json);
  const header = Buffer.from("502a4d1800000000", "hex");
  header.writeUInt32LE(packed.length, 4);
  const split = blob.subarray(splitOffset - 8, splitOffset + splitSize);
  const changed = Buffer.concat([blob.subarray(0, offset - 8), header, packed, split]);
  const annotations = {
    [`${key}checksum`]: `sha256:${wrongDigest ? "0".repeat(64) : hash("sha256", packed)}`,
    [`${key}position`]: `${offset}:${packed.length}:${Buffer.byteLength(json)}:1`,
    [splitKey]: `${offset + packed.length + 8}:${splitSize}:${splitUnpacked}`,
  };
  return { blob: changed, layer: { ...layer, annotations } };
}

function documents(layers: readonly Written[], annotations: Answers["annotations"]) {
  const blobs = new Map<string, Uint8Array>();
  const put = (mediaType: string, bytes: Uint8Array) => {
    const digest = `sha256:${hash("sha256", bytes)}`;
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const type = "application/vnd.oci.image";
  const config = put(
    `${type}.config.v1+json`,
    Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Labels: appLabels(id) },
        rootfs: { type: "layers", diff_ids: layers.map(({ layer }) => layer.diffId) },
      }),
    ),
  );
  const described = layers.map(({ blob, layer }) => ({
    ...put(`${type}.layer.v1.tar+zstd`, blob),
    annotations: layer.annotations,
  }));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${type}.manifest.v1+json`,
      config,
      layers: described,
      ...(annotations === undefined ? {} : { annotations }),
    }),
  );
  return { blobs, manifest, layers: new Set(described.map(({ digest }) => digest)) };
}

type Span = readonly [start: number, end: number];

interface Body {
  readonly status: number;
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

function partsOf(blob: Uint8Array, spans: readonly Span[], corruptAt: number | undefined): Body {
  const bytesOf = ([start, end]: Span, at: number) => {
    const bytes = Buffer.from(blob.subarray(start, end));
    if (at === 0 && corruptAt !== undefined) bytes[corruptAt] = (bytes[corruptAt] ?? 0) ^ 255;
    return bytes;
  };
  const range = ([start, end]: Span) => `bytes ${start}-${end - 1}/${blob.length}`;
  const [first] = spans;
  if (first !== undefined && spans.length === 1) {
    return { status: 206, bytes: bytesOf(first, 0), headers: { "content-range": range(first) } };
  }
  const parts = spans.flatMap((span, at) => [
    Buffer.from(`\r\n--sep\r\ncontent-range: ${range(span)}\r\n\r\n`),
    bytesOf(span, at),
  ]);
  const bytes = Buffer.concat([...parts, Buffer.from("\r\n--sep--\r\n")]);
  return { status: 206, bytes, headers: { "content-type": "multipart/byteranges; boundary=sep" } };
}

/** Offers an image of zstd:chunked layers by way of a registry that answers as it is told. */
export async function offer(layers: readonly Written[], answers: Answers = {}): Promise<Offer> {
  const { blobs, manifest, layers: digests } = documents(layers, answers.annotations);
  const asked: string[] = [];
  let sent = 0;
  const parts = (blob: Uint8Array, header: string): Body => {
    asked.push(header);
    const spans = header
      .replace("bytes=", "")
      .split(",")
      .map((text) => text.split("-").map(Number))
      .map(([start = 0, last = 0]): Span => [start, last + 1]);
    const { ranges } = answers;
    const all = { status: 200, bytes: blob, headers: {} };
    if (ranges === "ignored" || (ranges === "single" && spans.length > 1)) return all;
    if (ranges === "400" || (ranges === "416" && spans.length > 1)) {
      return { ...all, status: Number(ranges), bytes: new Uint8Array(0) };
    }
    const corruptAt = asked.length === 2 ? answers.corruptAt : undefined;
    return partsOf(blob, ranges === "reordered" ? spans.toReversed() : spans, corruptAt);
  };
  const answer = (request: Request): Response => {
    const path = new URL(request.url).pathname;
    if (path.includes("/manifests/")) {
      return new Response(manifest, { headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" } });
    }
    const digest = path.slice(path.lastIndexOf("/") + 1);
    const blob = blobs.get(digest);
    if (blob === undefined) return new Response("", { status: 404 });
    if (!digests.has(digest)) return new Response(blob);
    const header = request.headers.get("range");
    const { cutAfter = Number.POSITIVE_INFINITY, deadAfter = Number.POSITIVE_INFINITY } = answers;
    if (sent >= deadAfter) return new Response("", { status: 503 });
    const body = header === null ? { status: 200, bytes: blob, headers: {} } : parts(blob, header);
    const most = header === null ? Number.POSITIVE_INFINITY : Math.min(cutAfter, deadAfter - sent);
    sent += Math.min(most, body.bytes.length);
    const { status, headers, bytes } = body;
    return new Response(bytes.slice(0, most), { status, headers });
  };
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  const options = { attempts: 3, pauseMilliseconds: 1, idleMilliseconds: 5000, credentials: async () => undefined };
  const source = new Registry(`http://127.0.0.1:${server.port}/`, options).repository("some/app");
  return {
    layers,
    source: async () => source,
    document: () => source.resolve("latest"),
    sent: () => sent,
    ranges: () => asked,
    close: () => server.stop(true),
  };
}
