// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import type { TarEntry } from "../../../src/formats/tar/entry.ts";
import type { TarInput } from "../../../src/formats/tar/write.ts";
import { readAnnotations } from "../../../src/formats/zstd-chunked/annotations.ts";
import { openTarSplit, openToc } from "../../../src/formats/zstd-chunked/open.ts";
import type { Toc } from "../../../src/formats/zstd-chunked/toc.ts";
import { type ChunkedLayer, ChunkedWriter } from "../../../src/formats/zstd-chunked/write.ts";

export function entry(path: string, fields: Partial<TarEntry> = {}): TarEntry {
  return {
    path,
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
    linkName: "",
    xattrs: new Map(),
    devMajor: 0,
    devMinor: 0,
    ...fields,
  };
}

export function file(path: string, body: Uint8Array | string, fields: Partial<TarEntry> = {}): TarInput {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return { entry: entry(path, { size: bytes.length, ...fields }), body: bytes };
}

/** Bytes that look random and are the same each time (xorshift32). */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2_654_435_761 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

export interface Written {
  readonly blob: Uint8Array;
  readonly layer: ChunkedLayer;
}

export async function writeLayer(inputs: Iterable<TarInput>, level = 1): Promise<Written> {
  const writer = new ChunkedWriter({ level });
  const blob = await gather(writer.write(inputs));
  return { blob, layer: writer.layer };
}

export interface Opened {
  readonly toc: Toc;
  readonly tarSplit: () => ReturnType<typeof openTarSplit>;
  readonly payloadEnd: number;
}

/** Reads what a blob says of itself. */
export function openLayer(blob: Uint8Array, annotations: Readonly<Record<string, string>>): Opened {
  const places = readAnnotations(annotations, blob.length);
  if (places === undefined) throw new Error("no annotations");
  const part = ({ offset, size }: { offset: number; size: number }) => blob.subarray(offset, offset + size);
  const toc = openToc(part(places.toc), places);
  const { tarSplit } = places;
  if (tarSplit === undefined) throw new Error("no tar-split data");
  return { toc, tarSplit: () => openTarSplit(part(tarSplit), places, toc), payloadEnd: places.payloadEnd };
}

export async function* pieces(bytes: Uint8Array, size = 7000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(new Uint8Array(part));
  return Buffer.concat(parts);
}

const name = fc.stringMatching(/^[a-zA-Z0-9_äß+-]{1,12}$/);
const body = fc.oneof(
  fc.constant(new Uint8Array(0)),
  fc.uint8Array({ minLength: 1, maxLength: 600 }),
  fc.tuple(fc.nat(300_000), fc.nat(5)).map(([length, seed]) => noise(length + 1, seed)),
  fc
    .tuple(fc.nat(3000), fc.nat(5000), fc.nat(3000))
    .map(([before, hole, after]) => Buffer.concat([noise(before, 3), new Uint8Array(hole), noise(after, 4)])),
);
const times = fc.record({
  seconds: fc.integer({ min: -5_000_000_000, max: 9_000_000_000 }),
  nanoseconds: fc.nat(999_999_999),
});
const xattrs = fc
  .array(fc.tuple(fc.stringMatching(/^user\.[a-z.]{1,8}$/), fc.uint8Array({ maxLength: 40 })), { maxLength: 3 })
  .map((pairs) => new Map(pairs));

/** Entries of every kind, each path once. */
export const inputsArbitrary: fc.Arbitrary<TarInput[]> = fc
  .uniqueArray(
    fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/")),
    { maxLength: 12 },
  )
  .chain((paths) =>
    fc.tuple(
      ...paths.map((path) =>
        fc
          .record({ mode: fc.nat(0o7777), uid: fc.nat(3_000_000), gid: fc.nat(3_000_000), mtime: times, xattrs })
          .chain((fields) =>
            fc.oneof(
              body.map((bytes) => file(path, bytes, fields)),
              fc.constant({ entry: entry(path, { ...fields, type: "directory" }) }),
              fc.constant({ entry: entry(path, { ...fields, type: "symlink", linkName: "../any/Täget" }) }),
              fc.constant({ entry: entry(path, { ...fields, type: "hardlink", linkName: "a/b" }) }),
              fc.constant({ entry: entry(path, { ...fields, type: "character", devMajor: 1, devMinor: 9 }) }),
              fc.constant({ entry: entry(path, { ...fields, type: "fifo" }) }),
            ),
          ),
      ),
    ),
  );
