// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  futimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { inlineThreshold } from "../../formats/composefs/model.ts";
import { FsVerityHasher, fsVerityDigest } from "../../formats/fsverity/digest.ts";
import { startWriting, syncFileSystem, syncFolder } from "../../sys/durability.ts";
import { renameUnlessThere } from "../../sys/exchange.ts";
import type { FileContent } from "../image/tree.ts";
import type { Installation } from "../installation.ts";
import { hasObject, objectName, objectPath } from "./paths.ts";

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

const foldersSyncedAlone = 8;

/** From this size on the device starts to write a file while the next ones still come in. */
const writtenEarlyBytes = 256 * 1024;

/**
 * Takes new content. Files lie in `tmp/` under the names they will have until `commit`: one sync of the whole
 * file system, then renames. So an object that has its name also has its content, whatever happens to the power,
 * and no file needs an fsync of its own. Needs a pin of the installation for its whole life.
 */
export class ObjectStaging implements Disposable {
  readonly #installation: Installation;
  readonly #folder: string;
  readonly #staged = new Set<string>();
  /** The staged ones by the folder that they come to lie in. */
  readonly #folders = new Map<string, string[]>();
  readonly #committed = new Set<string>();
  /** Whether the folders of objects were there when they were first asked for; only what is there is looked into. */
  readonly #known = new Map<string, boolean>();
  #stagedBytes = 0;
  #counter = 0;
  #failed = false;

  constructor(installation: Installation) {
    this.#installation = installation;
    this.#folder = mkdtempSync(join(installation.tmp, "objects-"));
  }

  /** Bytes that wait for `commit`. */
  get stagedBytes(): number {
    return this.#stagedBytes;
  }

  /** How many objects were new. */
  get newObjects(): number {
    return this.#committed.size + this.#staged.size;
  }

  /** Takes content that is in memory. Throws `NO_SPACE` or `IO`. */
  add(bytes: Uint8Array, executable: boolean): FileContent {
    const content = describe(bytes);
    if (content.inline === undefined && bytes.length > 0) this.#keep(content.digest, bytes, executable);
    return content;
  }

  /** Takes content that streams in. Throws `NO_SPACE` or `IO`, or what the stream throws. */
  async addStream(chunks: AsyncIterable<Uint8Array>, executable: boolean): Promise<FileContent> {
    const path = join(this.#folder, `part-${++this.#counter}`);
    const hasher = new FsVerityHasher();
    try {
      const size = await writeStream(path, chunks, executable, (chunk) => hasher.update(chunk));
      const digest = Buffer.from(hasher.digest()).toString("hex");
      if (this.has(digest)) rmSync(path);
      else this.#enroll(digest, size, () => renameSync(path, this.#stagedPath(digest)));
      return { size, digest, inline: undefined };
    } catch (error) {
      rmSync(path, { force: true });
      throw fileError(error, "write", path);
    }
  }

  /** Makes durable what was staged, and all else that was written to this file system; gives objects their names. */
  commit(): void {
    try {
      syncFileSystem(this.#folder);
      for (const [folder, digests] of this.#folders) this.#name(folder, digests);
      this.#syncNames();
    } catch (error) {
      throw fileError(error, "store objects in", this.#installation.objects);
    }
    for (const digest of this.#staged) this.#committed.add(digest);
    this.#staged.clear();
    this.#folders.clear();
    this.#known.clear();
    this.#stagedBytes = 0;
  }

  /**
   * Gives objects their names: one rename where their folder is not there yet, else one for each. After a failure the
   * staged folders may hold what is not whole, so that they must not move as they are.
   */
  #name(folder: string, digests: readonly string[]): void {
    const target = join(this.#installation.objects, folder);
    if (!this.#failed && !existsSync(target) && renameUnlessThere(join(this.#folder, folder), target)) return;
    for (const digest of digests) renameSync(this.#stagedPath(digest), objectPath(this.#installation, digest));
  }

  /** Makes the names of objects durable; from some folders on one sync of all is quicker than one of each. */
  #syncNames(): void {
    const { objects } = this.#installation;
    if (this.#folders.size > foldersSyncedAlone) {
      syncFileSystem(objects);
      return;
    }
    for (const folder of this.#folders.keys()) syncFolder(join(objects, folder));
    syncFolder(objects);
  }

  /** Whether the object is staged or stored. The pin keeps what was stored here from being collected. */
  has(digest: string): boolean {
    return this.#staged.has(digest) || this.#committed.has(digest) || this.#isStored(digest);
  }

  /** A folder that another process makes meanwhile is missed, so that content is written once more, and no harm is done. */
  #isStored(digest: string): boolean {
    const folder = digest.slice(0, 2);
    let known = this.#known.get(folder);
    if (known === undefined) {
      known = existsSync(join(this.#installation.objects, folder));
      this.#known.set(folder, known);
    }
    return known && hasObject(this.#installation, digest);
  }

  /** Content that was staged or stored, for reading back. */
  pathOf(digest: string): string {
    return this.#staged.has(digest) ? this.#stagedPath(digest) : objectPath(this.#installation, digest);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #stagedPath(digest: string): string {
    return `${this.#folder}/${objectName(digest)}`;
  }

  #keep(digest: string, bytes: Uint8Array, executable: boolean): void {
    if (this.has(digest)) return;
    const path = this.#stagedPath(digest);
    try {
      this.#enroll(digest, bytes.length, () => writeObject(path, bytes, executable));
    } catch (error) {
      this.#failed = true;
      rmSync(path, { force: true });
      throw fileError(error, "write", path);
    }
  }

  #enroll(digest: string, size: number, place: () => void): void {
    const folder = digest.slice(0, 2);
    let digests = this.#folders.get(folder);
    if (digests === undefined) {
      mkdirSync(join(this.#folder, folder));
      digests = [];
      this.#folders.set(folder, digests);
    }
    place();
    digests.push(digest);
    this.#staged.add(digest);
    this.#stagedBytes += size;
  }
}

function describe(bytes: Uint8Array): FileContent {
  const digest = Buffer.from(fsVerityDigest(bytes)).toString("hex");
  const small = bytes.length > 0 && bytes.length <= inlineThreshold;
  return { size: bytes.length, digest, inline: small ? new Uint8Array(bytes) : undefined };
}

function objectMode(executable: boolean): number {
  return executable ? 0o555 : 0o444;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
}

/** Writes a new file; each chunk is looked at while it is written. Answers how many bytes there were. */
async function writeStream(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  executable: boolean,
  look: (chunk: Uint8Array) => void,
): Promise<number> {
  const file = await open(path, newFile, objectMode(executable));
  let writing: Promise<void> | undefined;
  let size = 0;
  try {
    for await (const chunk of chunks) {
      await writing;
      writing = file.writeFile(chunk);
      look(chunk);
      size += chunk.length;
    }
    await writing;
    finish(file.fd, executable);
    if (size >= writtenEarlyBytes) startWriting(file.fd);
    return size;
  } finally {
    await Promise.allSettled([writing]);
    await file.close();
  }
}

/** Sets what a umask or the time of day would change. */
function finish(fd: number, executable: boolean): void {
  if ((process.umask() & 0o555) !== 0) fchmodSync(fd, objectMode(executable));
  futimesSync(fd, 0, 0);
}

/** Writes a file as objects are: read-only, time 0. */
export function writeObject(path: string, bytes: Uint8Array, executable: boolean): void {
  const fd = openSync(path, newFile, objectMode(executable));
  try {
    writeAll(fd, bytes);
    finish(fd, executable);
    if (bytes.length >= writtenEarlyBytes) startWriting(fd);
  } finally {
    closeSync(fd);
  }
}
