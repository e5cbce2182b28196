// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { ByteString } from "./bytestring.ts";
import { maxObjectBytes, modeOf, stubNames } from "./constants.ts";
import { layOutPlain, PlainInode } from "./plain-layout.ts";
import { writePlain } from "./plain-write.ts";

/**
 * The tree that images of the store have: folders, files, links, all of owner 0, each with one name, with neither xattrs
 * nor fractions of seconds. It makes the image that `writeComposefs` (version 1) makes of the same tree, in a fourth of its
 * time, as there is one record for an inode and none for its xattrs and names.
 *
 * To be filled breadth first: `open` begins the children of the next folder, in the order in which folders were added;
 * they follow in the order of their bytes. Names and targets must be such as `writeComposefs` takes.
 */
export class PlainTree {
  readonly #inodes: PlainInode[] = [];
  readonly #folders: number[] = [0];
  readonly #uses = new Map<string, number>();
  readonly #mtime: number;
  #opened = 0;
  #current: PlainInode;
  #stubs = 0;

  /** `mtime`: of the root. */
  constructor(mtime: number) {
    this.#mtime = mtime;
    this.#current = this.#push(new PlainInode("folder", "", folderMode, mtime, 0, ""));
  }

  /** Begins the children of the next folder. */
  open(): void {
    const folder = this.#inodes[this.#folders[this.#opened++] ?? -1];
    if (folder === undefined) throw new Error("There is no further folder");
    if (this.#opened === 2) this.#addStubs(undefined);
    this.#current = folder;
    folder.first = this.#inodes.length;
  }

  folder(name: ByteString, mtime: number): void {
    const parent = this.#folders[this.#opened - 1] ?? 0;
    this.#child(name);
    this.#current.folders++;
    this.#folders.push(this.#inodes.length);
    this.#push(new PlainInode("folder", name, folderMode, mtime, 0, "")).parent = parent;
  }

  /** A file whose content is the object with a digest (64 hexadecimal digits); its size is not 0. */
  file(name: ByteString, mtime: number, executable: boolean, size: number, digest: string): void {
    this.#child(name);
    if (size > maxObjectBytes || digest.length !== 64) {
      throw new DowelError(
        "COMPOSEFS_INVALID",
        `composefs: ${JSON.stringify(name)}: not an object of at most 2^52 bytes`,
      );
    }
    this.#uses.set(digest, (this.#uses.get(digest) ?? 0) + 1);
    this.#push(new PlainInode("file", name, modeOfFile(executable), mtime, size, digest));
  }

  /** A file whose content, of at most 64 bytes, is in the image. */
  inline(name: ByteString, mtime: number, executable: boolean, content: Uint8Array): void {
    this.#child(name);
    this.#push(new PlainInode("inline", name, modeOfFile(executable), mtime, content.length, "", content));
  }

  symlink(name: ByteString, mtime: number, target: ByteString): void {
    this.#child(name);
    this.#push(new PlainInode("symlink", name, modeOf.symlink | 0o777, mtime, target.length, target));
  }

  /** The bytes of the image, when each folder has been opened. */
  write(): Uint8Array {
    if (this.#opened < this.#folders.length) throw new Error("Not each folder was opened");
    if (this.#opened === 1) this.#addStubs(undefined);
    return writePlain(layOutPlain(this.#inodes, this.#uses));
  }

  #child(name: ByteString): void {
    if (this.#opened === 1) this.#addStubs(name);
    this.#current.count++;
  }

  /** The root hides the folders of objects, `00` to `ff`, unless the tree has the name. */
  #addStubs(before: ByteString | undefined): void {
    for (let name = stubNames[this.#stubs]; name !== undefined; name = stubNames[++this.#stubs]) {
      if (before !== undefined && name > before) return;
      if (name === before) continue;
      this.#current.count++;
      this.#push(new PlainInode("stub", name, modeOf.character | 0o644, this.#mtime, 0, ""));
    }
  }

  #push(inode: PlainInode): PlainInode {
    this.#inodes.push(inode);
    return inode;
  }
}

const folderMode = modeOf.directory | 0o755;

function modeOfFile(executable: boolean): number {
  return modeOf.external | (executable ? 0o755 : 0o644);
}
