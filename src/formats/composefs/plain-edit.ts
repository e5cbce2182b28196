// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";
import { type PlainKind, type PlainNode, PlainTable, plainKinds } from "./plain-table.ts";

interface Change {
  /** What has the name goes. */
  removed: boolean;
  put: PlainNode | undefined;
  readonly children: Map<ByteString, Change>;
}

/** What is different in one tree from another, by paths of names. What is removed may be put anew. */
export class PlainEdits {
  readonly root: Change = noChange();

  remove(path: readonly ByteString[]): void {
    this.#at(path).removed = true;
  }

  put(path: readonly ByteString[], node: PlainNode): void {
    this.#at(path).put = node;
  }

  /** What was put on a path; whether there is anything but that, too. */
  find(path: readonly ByteString[]): Readonly<Omit<Change, "children">> | undefined {
    let change: Change | undefined = this.root;
    for (const name of path) change = change?.children.get(name);
    return change;
  }

  #at(path: readonly ByteString[]): Change {
    let change = this.root;
    for (const name of path) {
      let next = change.children.get(name);
      if (next === undefined) {
        next = noChange();
        change.children.set(name, next);
      }
      change = next;
    }
    return change;
  }
}

function noChange(): Change {
  return { removed: false, put: undefined, children: new Map() };
}

/** Stands for no inode. */
const none = -1;

/**
 * The tree that edits make of an earlier one, whose memory goes on in the new one. What did not change is copied as it
 * is. Undefined where an edit does not fit: it removes what is not there, puts something where there is something, or
 * leaves something below what is no folder any more. A folder that nobody puts on a path to something has the time 0.
 */
export function editPlain(from: PlainTable, edits: PlainEdits): PlainTable | undefined {
  const editor = new PlainEditor(from);
  return editor.edit(edits.root) ? editor.to : undefined;
}

/** The inode that a path of names leads to, through folders only; undefined where there is none. */
export function findPlain(table: PlainTable, path: readonly ByteString[]): number | undefined {
  let inode = 0;
  for (const name of path) {
    if (table.kinds[inode] !== plainKinds.folder) return undefined;
    const first = table.firsts[inode] ?? 0;
    const end = first + (table.children[inode] ?? 0);
    let child = first;
    while (child < end && table.name(child) !== name) child++;
    if (child === end) return undefined;
    inode = child;
  }
  return inode;
}

class PlainEditor {
  readonly #from: PlainTable;
  readonly to: PlainTable;
  /** For each folder of the new tree the earlier one that it is made of, and what changes in it. */
  readonly #sources: number[] = [];
  readonly #changes: (Change | undefined)[] = [];
  readonly #folders: number[] = [];

  constructor(from: PlainTable) {
    this.#from = from;
    this.to = new PlainTable(from.bytes, from.used);
  }

  edit(change: Change): boolean {
    this.#copy(0, 0, change);
    // the array grows while it is walked
    for (const [at, folder] of this.#folders.entries()) {
      const before = this.to.count;
      if (!this.#children(folder, this.#sources[at] ?? none, this.#changes[at])) return false;
      this.to.firsts[folder] = before;
      this.to.children[folder] = this.to.count - before;
    }
    return true;
  }

  #children(folder: number, source: number, change: Change | undefined): boolean {
    const first = source < 0 ? 0 : (this.#from.firsts[source] ?? 0);
    const end = source < 0 ? 0 : first + (this.#from.children[source] ?? 0);
    if (change === undefined || change.children.size === 0) {
      for (let child = first; child < end; child++) this.#copy(child, folder, undefined);
      return true;
    }
    const names = [...change.children.keys()].sort();
    let next = 0;
    for (let child = first; child < end; child++) {
      const name = this.#from.name(child);
      for (let other = names[next]; other !== undefined && other < name; other = names[++next]) {
        if (!this.#add(other, folder, change.children.get(other))) return false;
      }
      if (names[next] !== name) this.#copy(child, folder, undefined);
      else if (!this.#change(name, child, folder, change.children.get(name))) return false;
      if (names[next] === name) next++;
    }
    return names.slice(next).every((name) => this.#add(name, folder, change.children.get(name)));
  }

  /** What becomes of a child that was there. */
  #change(name: ByteString, child: number, folder: number, change: Change | undefined): boolean {
    const isFolder = this.#from.kinds[child] === plainKinds.folder;
    if (change?.removed !== true) {
      if (change?.put !== undefined || (!isFolder && change !== undefined && change.children.size > 0)) return false;
      this.#copy(child, folder, change);
      return true;
    }
    if (change.put?.kind === "folder") {
      this.#put(name, folder, change.put, isFolder ? child : none, change);
      return true;
    }
    if (isFolder && !this.#isAllRemoved(child, change)) return false;
    return change.put === undefined ? !hasPuts(change) : this.#add(name, folder, { ...change, removed: false });
  }

  /** Adds a child that was not there. */
  #add(name: ByteString, folder: number, change: Change | undefined): boolean {
    if (change === undefined || change.removed) return false;
    const { put } = change;
    if (put !== undefined && put.kind !== "folder") {
      this.#put(name, folder, put, none, undefined);
      return !hasPuts({ ...change, put: undefined });
    }
    if (!hasPuts(change)) return false;
    this.#put(name, folder, put ?? { kind: "folder", mtime: 0 }, none, change);
    return true;
  }

  #isAllRemoved(folder: number, change: Change): boolean {
    const first = this.#from.firsts[folder] ?? 0;
    for (let child = first; child < first + (this.#from.children[folder] ?? 0); child++) {
      const below = change.children.get(this.#from.name(child));
      if (below?.removed !== true) return false;
      if (this.#from.kinds[child] === plainKinds.folder && !this.#isAllRemoved(child, below)) return false;
    }
    return true;
  }

  #copy(child: number, folder: number, change: Change | undefined): void {
    const { kinds, names, nameSizes, times, sizes, executables, data } = this.#from;
    const kind = kinds[child] as PlainKind;
    const at = this.to.add(kind, names[child] ?? 0, nameSizes[child] ?? 0, times[child] ?? 0);
    this.to.sizes[at] = sizes[child] ?? 0;
    this.to.executables[at] = executables[child] ?? 0;
    this.to.data[at] = data[child] ?? 0;
    if (kind === plainKinds.folder) this.#enroll(at, folder, child, change);
  }

  #put(name: ByteString, folder: number, node: PlainNode, source: number, change: Change | undefined): void {
    const at = this.to.addNode(name, node);
    if (node.kind === "folder") this.#enroll(at, folder, source, change);
  }

  #enroll(at: number, parent: number, source: number, change: Change | undefined): void {
    const { parents, folders } = this.to;
    parents[at] = parent;
    if (at > 0) folders[parent] = (folders[parent] ?? 0) + 1;
    this.#folders.push(at);
    this.#sources.push(source);
    this.#changes.push(change);
  }
}

/** Whether something is put at a path or below it. */
function hasPuts({ put, children }: Change): boolean {
  return put !== undefined || [...children.values()].some(hasPuts);
}
