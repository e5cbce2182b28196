// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { ByteString } from "./bytestring.ts";
import { maxObjectBytes } from "./constants.ts";
import { areaDigestAt, areaPathAt, objectArea, putDigest } from "./plain-xattrs.ts";

/** What an inode of a plain tree is. A stub hides a folder of objects. */
export const plainKinds = { folder: 0, file: 1, inline: 2, symlink: 3, stub: 4 } as const;

export type PlainKind = (typeof plainKinds)[keyof typeof plainKinds];

/** What a name of a plain tree can be. Names and targets must be such as `writeComposefs` takes. */
export type PlainNode =
  | { readonly kind: "folder"; readonly mtime: number }
  | {
      /** Its content is the object with the digest (64 hexadecimal digits); its size is not 0. */
      readonly kind: "file";
      readonly mtime: number;
      readonly executable: boolean;
      readonly size: number;
      readonly digest: string;
    }
  | {
      /** Its content, of at most 64 bytes, is in the image. */
      readonly kind: "inline";
      readonly mtime: number;
      readonly executable: boolean;
      readonly content: Uint8Array;
    }
  | { readonly kind: "symlink"; readonly mtime: number; readonly target: ByteString };

const leastInodes = 1024;
const leastBytes = 64 * 1024;

/**
 * The inodes of a plain tree, in the order of their numbers: breadth first, those of a folder in the byte order of their
 * names. One array for each field, as an object for each inode costs several times the time and the memory.
 */
export class PlainTable {
  /** Names, contents, targets of links and areas of xattrs, at the places that the arrays say. */
  bytes: Buffer;
  #used: number;
  #count = 0;
  kinds: Uint8Array;
  /** 1: the file is executable. */
  executables: Uint8Array;
  /** Seconds since 1970. */
  times: Float64Array;
  /** Of files, contents and targets of links, in bytes. */
  sizes: Float64Array;
  names: Uint32Array;
  nameSizes: Uint32Array;
  /** Where the content is, or the target; of a file with an object the area of its xattrs, as an inode of its own has it. */
  data: Uint32Array;
  /** Of a folder: the one above, its first child, and how many children there are, and how many folders among them. */
  parents: Uint32Array;
  firsts: Uint32Array;
  children: Uint32Array;
  folders: Uint32Array;

  /** `used`: so many of the bytes have a meaning already. `inodes`: about so many will come. */
  constructor(bytes: Buffer = Buffer.alloc(leastBytes), used = 0, inodes: number = leastInodes) {
    this.bytes = bytes;
    this.#used = (used + 3) & ~3;
    const room = Math.max(inodes, leastInodes);
    this.kinds = new Uint8Array(room);
    this.executables = new Uint8Array(room);
    this.times = new Float64Array(room);
    this.sizes = new Float64Array(room);
    this.names = new Uint32Array(room);
    this.nameSizes = new Uint32Array(room);
    this.data = new Uint32Array(room);
    this.parents = new Uint32Array(room);
    this.firsts = new Uint32Array(room);
    this.children = new Uint32Array(room);
    this.folders = new Uint32Array(room);
  }

  /** How many inodes there are. */
  get count(): number {
    return this.#count;
  }

  /** Bytes that have a meaning. */
  get used(): number {
    return this.#used;
  }

  /** Adds an inode with its name; answers its number. Size and data of it are the caller's. */
  add(kind: PlainKind, name: number, nameSize: number, time: number): number {
    const at = this.#count++;
    if (at === this.kinds.length) this.#grow();
    this.kinds[at] = kind;
    this.names[at] = name;
    this.nameSizes[at] = nameSize;
    this.times[at] = time;
    return at;
  }

  /** Adds an inode that something is known of; answers its number. Throws `COMPOSEFS_INVALID` for what is no object. */
  addNode(name: ByteString, node: PlainNode): number {
    const at = this.add(plainKinds[node.kind], this.#addText(name), name.length, node.mtime);
    if (node.kind === "symlink") {
      this.data[at] = this.#addText(node.target);
      this.sizes[at] = node.target.length;
    } else if (node.kind !== "folder") {
      this.executables[at] = node.executable ? 1 : 0;
      this.data[at] = node.kind === "file" ? this.#addObject(name, node) : this.addBytes(node.content);
      this.sizes[at] = node.kind === "file" ? node.size : node.content.length;
    }
    return at;
  }

  /** What an inode is that is no stub. */
  node(at: number): PlainNode {
    const { bytes } = this;
    const [mtime, size, data] = [this.times[at] ?? 0, this.sizes[at] ?? 0, this.data[at] ?? 0];
    const executable = this.executables[at] === 1;
    if (this.kinds[at] === plainKinds.folder) return { kind: "folder", mtime };
    if (this.kinds[at] === plainKinds.symlink) {
      return { kind: "symlink", mtime, target: bytes.toString("latin1", data, data + size) };
    }
    if (this.kinds[at] === plainKinds.file) return { kind: "file", mtime, executable, size, digest: this.digest(at) };
    return { kind: "inline", mtime, executable, content: new Uint8Array(bytes.subarray(data, data + size)) };
  }

  /** The digest (64 hexadecimal digits) of a file's object. */
  digest(at: number): string {
    const place = (this.data[at] ?? 0) + areaDigestAt;
    return this.bytes.toString("hex", place, place + 32);
  }

  /** Writes the 64 digits of `digest` to a place in some bytes. */
  writeDigest(at: number, out: Buffer, place: number): void {
    // the path of the object has them, with a slash behind the second
    const path = (this.data[at] ?? 0) + areaPathAt;
    this.bytes.copy(out, place, path, path + 2);
    this.bytes.copy(out, place + 2, path + 3, path + 65);
  }

  name(at: number): ByteString {
    const place = this.names[at] ?? 0;
    return this.bytes.toString("latin1", place, place + (this.nameSizes[at] ?? 0));
  }

  /** Adds a text of one byte a character; answers where it is. */
  #addText(text: string): number {
    const at = this.#room(text.length);
    // most texts are short, for which a call of the engine's own code costs more
    if (text.length > 40) this.bytes.write(text, at, "latin1");
    else for (let index = 0; index < text.length; index++) this.bytes[at + index] = text.charCodeAt(index);
    return at;
  }

  /** Adds bytes; answers where they are. */
  addBytes(bytes: Uint8Array): number {
    const at = this.#room(bytes.length);
    this.bytes.set(bytes, at);
    return at;
  }

  #addObject(name: ByteString, { size, digest }: PlainNode & { readonly kind: "file" }): number {
    if (size > maxObjectBytes || digest.length !== 64) {
      throw new DowelError(
        "COMPOSEFS_INVALID",
        `composefs: ${JSON.stringify(name)}: not an object of at most 2^52 bytes`,
      );
    }
    const at = this.addBytes(objectArea);
    putDigest(this.bytes, at, digest);
    return at;
  }

  /** At a multiple of four: areas are copied by words. */
  #room(size: number): number {
    const at = this.#used;
    this.#used = (at + size + 3) & ~3;
    if (this.#used > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(2 * this.bytes.length, this.#used));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return at;
  }

  #grow(): void {
    this.kinds = twice(this.kinds, new Uint8Array(2 * this.kinds.length));
    this.executables = twice(this.executables, new Uint8Array(2 * this.executables.length));
    this.times = twice(this.times, new Float64Array(2 * this.times.length));
    this.sizes = twice(this.sizes, new Float64Array(2 * this.sizes.length));
    for (const field of ["names", "nameSizes", "data", "parents", "firsts", "children", "folders"] as const) {
      this[field] = twice(this[field], new Uint32Array(2 * this[field].length));
    }
  }
}

function twice<T extends Uint8Array | Float64Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
