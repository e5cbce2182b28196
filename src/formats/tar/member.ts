// SPDX-License-Identifier: Apache-2.0
import { paddingSize, type TarEntry, type TarEntryType } from "./entry.ts";
import { type ByteSource, cutShort } from "./source.ts";

/** Bodies up to this size come as one array. */
export const wholeBodyBytes = 1024 * 1024;

export interface TarMember extends TarEntry {
  /** Where the first header of the member starts in the archive. */
  readonly offset: number;
  /**
   * The whole body where it has at most 1 MiB (see also `copiedBytes`), else undefined. It shares memory with the chunk it came in: copy what
   * is to be kept.
   */
  readonly bytes: Uint8Array | undefined;
  /** The body, in chunks that share memory with the stream. To be read before the next member is asked for. */
  chunks(): AsyncGenerator<Uint8Array, void, undefined>;
}

/** Passes over what fills the last block of a body of `size` bytes. */
export async function skipPadding(source: ByteSource, size: number, what: string): Promise<void> {
  const padding = paddingSize(size);
  if (source.take(padding) === undefined) await source.skip(padding, what);
}

export class Member implements TarMember {
  readonly path: string;
  readonly type: TarEntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: TarEntry["mtime"];
  readonly linkName: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly offset: number;
  readonly bytes: Uint8Array | undefined;
  readonly #source: ByteSource;
  #rest: number;
  #over = false;

  constructor(source: ByteSource, entry: TarEntry, offset: number, bytes: Uint8Array | undefined) {
    this.path = entry.path;
    this.type = entry.type;
    this.mode = entry.mode;
    this.uid = entry.uid;
    this.gid = entry.gid;
    this.size = entry.size;
    this.mtime = entry.mtime;
    this.linkName = entry.linkName;
    this.xattrs = entry.xattrs;
    this.devMajor = entry.devMajor;
    this.devMinor = entry.devMinor;
    this.offset = offset;
    this.bytes = bytes;
    this.#source = source;
    this.#rest = bytes === undefined ? entry.size : 0;
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#over) throw new Error(`The body of ${this.path} was asked for after the next member`);
    if (this.bytes !== undefined) {
      if (this.bytes.length > 0) yield this.bytes;
      return;
    }
    while (this.#rest > 0 && !this.#over) {
      const bytes = await this.#source.some(this.#rest);
      if (bytes === undefined) throw cutShort(this.#source.offset, this.path);
      this.#rest -= bytes.length;
      yield bytes;
    }
  }

  /** Moves the source to the next header. */
  async finish(): Promise<void> {
    this.#over = true;
    if (this.#rest > 0) await this.#source.skip(this.#rest, this.path);
    await skipPadding(this.#source, this.size, this.path);
  }
}
