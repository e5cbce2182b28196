// SPDX-License-Identifier: Apache-2.0
import { type ByteString, bytesOfByteString } from "./bytestring.ts";
import { stubNames } from "./constants.ts";
import { layOutPlain } from "./plain-layout.ts";
import { type PlainNode, PlainTable, plainKinds } from "./plain-table.ts";
import { writePlain } from "./plain-write.ts";

/**
 * The tree that images of the store have: folders, files, links, all of owner 0, each with one name, with neither xattrs
 * nor fractions of seconds. It makes the image that `writeComposefs` (version 1) makes of the same tree, in a small part
 * of its time.
 *
 * To be filled breadth first: `open` begins the children of the next folder, in the order in which folders were added;
 * they follow in the order of their bytes.
 */
export class PlainTree {
  readonly #table = new PlainTable();
  readonly #folders: number[] = [0];
  readonly #mtime: number;
  #opened = 0;
  #current: number;
  #stubs = 0;

  /** `mtime`: of the root. */
  constructor(mtime: number) {
    this.#mtime = mtime;
    this.#current = this.#table.addNode("", { kind: "folder", mtime });
  }

  /** Begins the children of the next folder. */
  open(): void {
    const folder = this.#folders[this.#opened++];
    if (folder === undefined) throw new Error("There is no further folder");
    if (this.#opened === 2) this.#addStubs(undefined);
    this.#current = folder;
    this.#table.firsts[folder] = this.#table.count;
  }

  /** Adds a child to the open folder. Throws `COMPOSEFS_INVALID` for what is no object. */
  add(name: ByteString, node: PlainNode): void {
    if (this.#opened === 1) this.#addStubs(name);
    const at = this.#table.addNode(name, node);
    this.#count();
    if (node.kind !== "folder") return;
    const { folders, parents } = this.#table;
    folders[this.#current] = (folders[this.#current] ?? 0) + 1;
    parents[at] = this.#current;
    this.#folders.push(at);
  }

  /** The bytes of the image, when each folder has been opened. */
  write(): Uint8Array {
    if (this.#opened < this.#folders.length) throw new Error("Not each folder was opened");
    if (this.#opened === 1) this.#addStubs(undefined);
    return writePlain(layOutPlain(this.#table));
  }

  /** The root hides the folders of objects, `00` to `ff`, unless the tree has the name. */
  #addStubs(before: ByteString | undefined): void {
    for (let name = stubNames[this.#stubs]; name !== undefined; name = stubNames[++this.#stubs]) {
      if (before !== undefined && name > before) return;
      if (name === before) continue;
      this.#table.add(plainKinds.stub, this.#table.addBytes(bytesOfByteString(name)), name.length, this.#mtime);
      this.#count();
    }
  }

  #count(): void {
    const { children } = this.#table;
    children[this.#current] = (children[this.#current] ?? 0) + 1;
  }
}
