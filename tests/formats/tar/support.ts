// SPDX-License-Identifier: Apache-2.0
import type { TarEntry } from "../../../src/formats/tar/entry.ts";
import type { TarMember } from "../../../src/formats/tar/member.ts";
import { readTar } from "../../../src/formats/tar/read.ts";
import { type TarInput, writeTar } from "../../../src/formats/tar/write.ts";

export async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(Uint8Array.from(part));
  return Buffer.concat(parts);
}

export interface ReadMember {
  readonly entry: TarEntry;
  readonly body: Buffer;
}

function toEntry(member: TarMember): TarEntry {
  const { path, type, mode, uid, gid, size, mtime, linkName, xattrs, devMajor, devMinor } = member;
  return { path, type, mode, uid, gid, size, mtime, linkName, xattrs, devMajor, devMinor };
}

export async function readAll(bytes: Uint8Array, chunkSize = 65536): Promise<ReadMember[]> {
  const result: ReadMember[] = [];
  for await (const member of readTar(chunked(bytes, chunkSize))) {
    result.push({ entry: toEntry(member), body: await collect(member.chunks()) });
  }
  return result;
}

export function writeAll(inputs: readonly TarInput[]): Promise<Buffer> {
  return collect(writeTar(inputs));
}

export function entry(fields: Partial<TarEntry> & { readonly path: string }): TarEntry {
  return {
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkName: "",
    xattrs: new Map(),
    devMajor: 0,
    devMinor: 0,
    ...fields,
  };
}

export function file(path: string, body: string | Uint8Array, fields: Partial<TarEntry> = {}): TarInput {
  const bytes = Buffer.from(body);
  return { entry: entry({ path, size: bytes.length, ...fields }), body: bytes };
}
