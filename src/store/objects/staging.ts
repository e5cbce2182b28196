// SPDX-License-Identifier: Apache-2.0
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { inlineThreshold } from "../../formats/composefs/model.ts";
import { syncFileSystem, syncFolder } from "../../sys/durability.ts";
import { renameUnlessThere } from "../../sys/exchange.ts";
import { FileSizes } from "../../sys/sizes.ts";
import { makeTempFolder } from "../../sys/tempfolder.ts";
import type { FileContent } from "../image/tree.ts";
import type { Installation } from "../installation.ts";
import { Intake } from "./intake.ts";
import type { ObjectList } from "./list.ts";
import { objectName, objectPath } from "./paths.ts";
import { type StagedContent, Stager, type StagerPlaces } from "./stager.ts";

const foldersSyncedAlone = 8;

/** For fewer bytes another thread is not worth its start. */
const threadedBytes = 4 * 1024 * 1024;

/**
 * Takes new content. Files lie in `tmp/` until `commit`: one sync of the whole
 * file system, then renames. So an object that has its name also has its content, whatever happens to the power,
 * and no file needs an fsync of its own. Needs a pin of the installation for its whole life.
 */
export class ObjectStaging implements AsyncDisposable {
  readonly #installation: Installation;
  readonly #folder: string;
  /** The staged ones, with their names in the folder. */
  readonly #staged = new Map<string, string>();
  /** The same by the folder that they come to lie in. */
  readonly #folders = new Map<string, string[]>();
  readonly #committed = new Set<string>();
  /** Whether the folders of objects were there when they were first asked for; only what is there is looked into. */
  readonly #known = new Map<string, boolean>();
  /** Sizes of stored objects that were seen: the pin keeps them, so that one look at each is enough. */
  readonly #seen = new Map<string, number>();
  readonly #sizes: FileSizes;
  readonly #places: StagerPlaces;
  readonly #stager: Stager;
  #intake: Intake | undefined;
  #stagedBytes = 0;
  #failed = false;

  constructor(installation: Installation) {
    this.#installation = installation;
    this.#folder = makeTempFolder(join(installation.tmp, "objects-"));
    this.#places = { staged: this.#folder, objects: installation.objects, name: "own", umask: process.umask() };
    this.#sizes = new FileSizes(installation.objects);
    this.#stager = new Stager(this.#places, (digest) => this.#sizes.of(digest, 2));
  }

  /**
   * Takes many contents, in another thread where that is worth it for `bytes` of them. It is closed with the staging;
   * `settle` it before anything else is asked of the staging.
   */
  intake(bytes: number): Intake {
    const places = { ...this.#places, name: "intake" };
    this.#intake ??= new Intake(places, bytes >= threadedBytes, {
      staged: (content, size) => this.#enroll(content, size),
      named: (digests) => this.#noteNamed(digests),
    });
    return this.#intake;
  }

  /** Waits until the digests of all contents that the intake took are known. Throws what staging them threw. */
  async digested(): Promise<void> {
    await this.#intake?.digested();
  }

  /** Waits until all contents that the intake took are staged. Throws what staging them threw. */
  async settle(): Promise<void> {
    await this.#intake?.settle();
  }

  /** Bytes that wait for `commit`. */
  get stagedBytes(): number {
    return this.#stagedBytes;
  }

  /** How many objects were new. */
  get newObjects(): number {
    return this.#committed.size + this.#staged.size;
  }

  /** Takes content that is in memory. Throws `NO_SPACE`, `NOT_PERMITTED` or `IO`. */
  add(bytes: Uint8Array, executable: boolean): FileContent {
    const size = bytes.length;
    const { digest } = this.#attempt(size, () => this.#stager.add(bytes, executable));
    const small = size > 0 && size <= inlineThreshold;
    return { size, digest, inline: small ? new Uint8Array(bytes) : undefined };
  }

  /** Takes content too large for memory that streams in. Throws as `add`, or what the stream throws. */
  async addStream(chunks: AsyncIterable<Uint8Array>, executable: boolean): Promise<FileContent> {
    let size = 0;
    try {
      for await (const chunk of chunks) {
        this.#attempt(0, () => void this.#stager.addPart(chunk, executable));
        size += chunk.length;
      }
    } catch (error) {
      this.#stager.abandonParts();
      throw error;
    }
    const { digest } = this.#attempt(size, () => this.#stager.finishParts());
    return { size, digest, inline: undefined };
  }

  #attempt<T extends StagedContent | undefined>(size: number, stage: () => T): T {
    try {
      const staged = stage();
      if (staged !== undefined) this.#enroll(staged, size);
      return staged;
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /**
   * Begins to make durable what the intake took, in another thread where there is one, so that `commit` has to wait less.
   */
  startSync(): void {
    this.#intake?.startSync();
  }

  /** As `startSync`, and begins to make objects of it then. */
  startCommit(): void {
    this.#intake?.startCommit();
  }

  /** Makes durable what was staged, and all else that was written to this file system; gives objects their names. */
  async commit(): Promise<void> {
    if (this.#intake?.failed !== true) await this.settle();
    try {
      syncFileSystem(this.#folder);
      for (const [folder, digests] of this.#folders) this.#name(folder, digests);
      if (this.#folders.size > 0) this.#syncNames();
    } catch (error) {
      throw fileError(error, "store objects in", this.#installation.objects);
    }
    for (const digest of this.#staged.keys()) this.#committed.add(digest);
    this.#staged.clear();
    this.#folders.clear();
    this.#known.clear();
    this.#stager.forgetFolders();
    this.#intake?.forgetFolders();
    this.#stagedBytes = 0;
  }

  /**
   * Gives objects their names: one rename where their folder is not there yet, else one for each. After a failure the
   * staged folders may hold what is not whole, so that they must not move as they are.
   */
  #name(folder: string, digests: readonly string[]): void {
    const target = join(this.#installation.objects, folder);
    if (
      !this.#failed &&
      this.#intake?.failed !== true &&
      digests.every((digest) => this.#staged.get(digest) === objectName(digest)) &&
      !existsSync(target) &&
      renameUnlessThere(join(this.#folder, folder), target)
    )
      return;
    for (const digest of digests) renameSync(this.pathOf(digest), objectPath(this.#installation, digest));
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

  /**
   * Whether the object is staged or stored, as large as it should be where that is known. The pin keeps what was stored
   * here from being collected.
   */
  has(digest: string, size?: number): boolean {
    return this.#staged.has(digest) || this.#committed.has(digest) || this.#isStored(digest, size);
  }

  /** Whether a content is stored, and will stay where it is. */
  isStored(digest: string): boolean {
    return !this.#staged.has(digest) && this.has(digest);
  }

  /** Whether all objects that were new are among the given ones. */
  broughtOnly(digests: Pick<ObjectList, "has">): boolean {
    return [this.#committed, this.#staged].every((all) => [...all.keys()].every((digest) => digests.has(digest)));
  }

  /** A folder that another process makes meanwhile is missed, so that content is written once more, and no harm is done. */
  #isStored(digest: string, size: number | undefined): boolean {
    const folder = digest.slice(0, 2);
    let known = this.#known.get(folder);
    if (known === undefined) {
      known = existsSync(join(this.#installation.objects, folder));
      this.#known.set(folder, known);
    }
    if (!known) return false;
    const found = this.#seen.get(digest) ?? this.#sizes.of(digest, 2);
    if (found === undefined) return false;
    this.#seen.set(digest, found);
    return size === undefined || size === found;
  }

  /** Content that was staged or stored, for reading back. */
  pathOf(digest: string): string {
    const staged = this.#staged.get(digest);
    return staged === undefined ? objectPath(this.#installation, digest) : `${this.#folder}/${staged}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#intake?.[Symbol.asyncDispose]();
    this.#stager[Symbol.dispose]();
    this.#sizes[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #noteNamed(digests: readonly string[]): void {
    if (digests.length === 0) return;
    for (const digest of digests) {
      this.#committed.add(digest);
      this.#staged.delete(digest);
    }
    this.#folders.clear();
    for (const digest of this.#staged.keys()) this.#enrollFolder(digest);
    if (this.#staged.size === 0) this.#stagedBytes = 0;
    this.#known.clear();
  }

  #enrollFolder(digest: string): void {
    const folder = digest.slice(0, 2);
    const digests = this.#folders.get(folder);
    if (digests === undefined) this.#folders.set(folder, [digest]);
    else digests.push(digest);
  }

  #enroll({ digest, newFile }: StagedContent, size: number): void {
    // two stagers may both have written it
    if (newFile === undefined || this.#staged.has(digest)) return;
    this.#enrollFolder(digest);
    this.#staged.set(digest, newFile);
    this.#stagedBytes += size;
  }
}
