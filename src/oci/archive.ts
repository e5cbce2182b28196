// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open } from "node:fs/promises";
import { checkCancelled, DowelError, fileError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { splitRelativePath } from "../base/paths.ts";
import { readFileRange } from "./durable.ts";
import type { LayoutFiles } from "./layoutfiles.ts";
import { blockSize, readHeader, readPaxRecords, type TarHeader } from "./tarheader.ts";
import type { ByteStream } from "./verify.ts";
import { collect } from "./verify.ts";

interface Member {
  readonly offset: number;
  readonly size: number;
}

/**
 * Opens a tar of an OCI layout: notes where each file lies, reads headers only. Later members of a name win, as
 * when a tar is unpacked. Compressed archives are not understood.
 */
export async function openArchive(path: string, signal?: AbortSignal): Promise<LayoutFiles> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    throw fileError(error, "open", path);
  }
  try {
    if (!(await file.stat()).isFile()) {
      throw new DowelError("OCI_LAYOUT_INVALID", `oci-archive:${path}: not a regular file`);
    }
    return new ArchiveFiles(path, file, await indexMembers(file, path, signal));
  } catch (error) {
    await file.close();
    throw error;
  }
}

class ArchiveFiles implements LayoutFiles {
  readonly name: string;
  readonly #file: FileHandle;
  readonly #members: ReadonlyMap<string, Member>;

  constructor(path: string, file: FileHandle, members: ReadonlyMap<string, Member>) {
    this.name = `oci-archive:${path}`;
    this.#file = file;
    this.#members = members;
  }

  async sizeOf(path: string): Promise<number | undefined> {
    return this.#members.get(path)?.size;
  }

  async *read(path: string, offset: number, length: number, signal?: AbortSignal): ByteStream {
    const member = this.#members.get(path);
    if (member === undefined) throw new DowelError("OCI_LAYOUT_INVALID", `${this.name}: ${path} is missing`);
    const available = Math.max(0, Math.min(length, member.size - offset));
    yield* readFileRange(this.#file, member.offset + offset, available, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

async function indexMembers(
  file: FileHandle,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, Member>> {
  const what = `oci-archive:${path}`;
  const end = (await file.stat()).size;
  const members = new Map<string, Member>();
  let pending: ReadonlyMap<string, string> = new Map();
  for (let at = 0; ; ) {
    checkCancelled(signal);
    const header = readHeader(await readExactly(file, at, blockSize, what), what, at);
    if (header === undefined) return members;
    const data = at + blockSize;
    const size = isExtension(header) ? header.size : memberSize(header, pending, what);
    at = data + Math.ceil(size / blockSize) * blockSize;
    if (data + size > end) throw new DowelError("TRANSFER_INCOMPLETE", `${what}: ends inside ${header.name}`);
    if (isExtension(header)) {
      if (header.type !== "g") pending = new Map([...pending, ...(await readExtension(file, header, data, what))]);
      continue;
    }
    const name = splitRelativePath(pending.get("path") ?? header.name)?.join("/");
    pending = new Map();
    if (name === undefined) throw new DowelError("TAR_UNSAFE", `${what}: unsafe name ${header.name}`);
    if (header.type === "0") members.set(name, { offset: data, size });
    if (members.size > limits.imageEntries) throw new DowelError("LIMIT_EXCEEDED", `${what}: too many files`);
  }
}

function isExtension(header: TarHeader): boolean {
  return header.type === "x" || header.type === "g" || header.type === "L";
}

function memberSize(header: TarHeader, pending: ReadonlyMap<string, string>, what: string): number {
  const text = pending.get("size");
  if (text === undefined) return header.size;
  const size = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(size)) return size;
  throw new DowelError("TAR_INVALID", `${what}: size of ${header.name} must be a whole number`);
}

async function readExtension(
  file: FileHandle,
  header: TarHeader,
  data: number,
  what: string,
): Promise<ReadonlyMap<string, string>> {
  if (header.size > limits.tarExtendedHeaderBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `${what}: extended header at ${data} is too large`);
  }
  const bytes = await readExactly(file, data, header.size, what);
  if (header.type === "x") return readPaxRecords(bytes, what, data);
  return new Map([["path", Buffer.from(bytes).toString("utf8").replace(/\0+$/, "")]]);
}

async function readExactly(file: FileHandle, offset: number, length: number, what: string): Promise<Uint8Array> {
  const bytes = await collect(readFileRange(file, offset, length), length, what);
  if (bytes.byteLength === length) return bytes;
  throw new DowelError("TRANSFER_INCOMPLETE", `${what}: ends at ${offset + bytes.byteLength}, inside an entry`);
}
