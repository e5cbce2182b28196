// SPDX-License-Identifier: Apache-2.0
import { inlineThreshold } from "../../formats/composefs/model.ts";
import type { Memory } from "../../formats/compression/decompress.ts";
import type { Digest, DigestAlgorithm } from "../../oci/digest.ts";
import { Thread } from "../../sys/workers.ts";
import type { FileContent } from "../image/tree.ts";
import { type AheadDigests, type Batch, type BatchResult, BatchStager, errorOf, itemFlag } from "./batch.ts";
import type { StagedContent, StagerPlaces } from "./stager.ts";

const batchBytes = 1024 * 1024;
/** What may be on its way at once: more only costs memory. */
const maxBuffers = 8;

/** Stands for a content until it is staged. */
export interface Ticket {
  /** Set when the content is staged, or when its digest is known ahead. */
  content: FileContent | undefined;
}

interface Expected extends Ticket {
  readonly size: number;
  readonly inline: Uint8Array | undefined;
}

export interface Enroll {
  /** Is told of each content that was staged, in order. */
  readonly staged: (content: StagedContent, size: number) => void;
  /** Is told of those that became objects. */
  readonly named: (digests: readonly string[]) => void;
}

/** Where batches go. */
interface Hands {
  send(batch: Batch): void;
  end(): Promise<unknown>;
}

/**
 * Takes archives, and says which contents are in them. It gives the memory that an archive is unpacked into, and passes it
 * on when it is full, to another thread or, for little, at once: there the archive is digested, and its contents are
 * digested and written to files. Nothing is copied on the way. At most 8 MiB are on their way. After an error it takes
 * nothing more.
 */
export class Intake implements AsyncDisposable, Memory {
  readonly #enroll: Enroll;
  readonly #hands: Hands;
  readonly #isThreaded: boolean;
  readonly #expected: Expected[] = [];
  /** How many of them have digests that were told ahead. */
  #known = 0;
  readonly #spare: ArrayBuffer[] = [];
  #buffers = 0;
  #sent = 0;
  #buffer: ArrayBuffer | undefined;
  #used = 0;
  #items: number[] = [];
  #copies: Uint8Array<ArrayBuffer>[] = [];
  #begin: DigestAlgorithm | undefined;
  #digest: Digest | undefined;
  #forget = false;
  #ahead = false;
  #failure: Error | undefined;
  #wake = (): void => undefined;

  constructor(places: StagerPlaces, threaded: boolean, enroll: Enroll) {
    this.#enroll = enroll;
    this.#isThreaded = threaded;
    const done = (result: BatchResult) => this.#done(result);
    const failed = (error: Error) => this.#fail(error);
    const told = (digests: AheadDigests) => this.#told(digests);
    this.#hands = threaded ? new ThreadHands(places, { done, told, failed }) : new OwnHands(places, done);
  }

  /** Begins an archive: what is put into the memory from now on is digested. */
  async beginArchive(algorithm: DigestAlgorithm): Promise<void> {
    await this.settle();
    this.#ahead = false;
    this.#begin = algorithm;
  }

  /** The digest of all that was put into the memory since the archive began. Throws as `settle`. */
  async endArchive(): Promise<Digest> {
    this.#send({ end: true });
    await this.settle();
    if (this.#digest === undefined) throw new Error("No archive was begun");
    return this.#digest;
  }

  /** Memory for the next bytes of the archive. Contents in what was given before have been added by now. */
  async room(): Promise<Uint8Array> {
    this.#check();
    if (this.#used === batchBytes) this.#send();
    this.#buffer ??= this.#spare.pop() ?? (await this.#newBuffer());
    return new Uint8Array(this.#buffer, this.#used);
  }

  filled(length: number): void {
    this.#used += length;
  }

  /** Takes a content as a whole; only what does not lie in the memory is copied. Throws what staging contents before threw. */
  add(bytes: Uint8Array, executable: boolean): Ticket {
    this.#put(bytes, executable ? itemFlag.executable : 0);
    const inline = bytes.length > 0 && bytes.length <= inlineThreshold ? new Uint8Array(bytes) : undefined;
    return this.#expect(bytes.length, inline);
  }

  /**
   * Takes a content of no archive, whose bytes stay the caller's. Its digest is told ahead of its staging: see `digested`.
   * Throws as `add`.
   */
  async take(bytes: Uint8Array, executable: boolean): Promise<Ticket> {
    this.#ahead = true;
    if (bytes.length > batchBytes) return this.add(bytes, executable);
    if (this.#used + bytes.length > batchBytes) this.#send();
    const room = await this.room();
    room.set(bytes);
    this.filled(bytes.length);
    return this.add(room.subarray(0, bytes.length), executable);
  }

  /** Waits until the digests of all that was taken are known. Throws what staging threw. */
  async digested(): Promise<void> {
    if (this.#used > 0 || this.#items.length > 0) this.#send();
    const isKnown = (): boolean => this.#expected.every(({ content }) => content !== undefined);
    while (this.#failure === undefined && !isKnown()) await this.#change();
    this.#check();
  }

  /** Takes a content that comes in chunks. Throws as `add`, or what the stream throws; then take no more. */
  async addStream(chunks: AsyncIterable<Uint8Array>, executable: boolean): Promise<Ticket> {
    const flags = itemFlag.part | (executable ? itemFlag.executable : 0);
    let size = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      this.#put(chunk, flags);
    }
    this.#put(new Uint8Array(0), flags | itemFlag.last);
    return this.#expect(size, undefined);
  }

  /** Waits until all that was taken is staged. Throws what staging threw. */
  async settle(): Promise<void> {
    if (this.#used > 0 || this.#items.length > 0) this.#send();
    while (this.#sent > 0 && this.#failure === undefined) await this.#change();
    this.#check();
  }

  /** Begins to make durable all that was taken, where another thread can do it; `settle` waits for it. */
  startSync(): void {
    if (this.#isThreaded) this.#send({ after: "sync" });
  }

  /** As `startSync`; makes objects of it then, which have durable contents, but names that are not durable yet. */
  startCommit(): void {
    if (this.#isThreaded) this.#send({ after: "commit" });
  }

  /** Whether something went wrong: there may be files that are not whole. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Says that what was staged became objects. */
  forgetFolders(): void {
    this.#forget = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new Error("The intake is closed");
    await this.#hands.end();
  }

  #put(bytes: Uint8Array, flags: number): void {
    this.#check();
    if (this.#buffer !== undefined && bytes.buffer === this.#buffer) {
      this.#items.push(bytes.byteOffset, bytes.length, flags);
      return;
    }
    this.#copies.push(new Uint8Array(bytes));
    this.#items.push(0, bytes.length, flags | itemFlag.copied);
  }

  async #newBuffer(): Promise<ArrayBuffer> {
    if (this.#buffers < maxBuffers) {
      this.#buffers += 1;
      return new ArrayBuffer(batchBytes);
    }
    for (;;) {
      this.#check();
      const buffer = this.#spare.pop();
      if (buffer !== undefined) return buffer;
      await this.#change();
    }
  }

  #expect(size: number, inline: Uint8Array | undefined): Ticket {
    const ticket = { content: undefined, size, inline };
    this.#expected.push(ticket);
    return ticket;
  }

  #send({ end = false, after }: { readonly end?: boolean; readonly after?: Batch["after"] } = {}): void {
    const batch = {
      buffer: this.#buffer ?? new ArrayBuffer(0),
      used: this.#used,
      items: this.#items,
      copies: this.#copies,
      begin: this.#begin,
      end,
      forget: this.#forget,
      after,
      ahead: this.#ahead,
    };
    this.#buffer = undefined;
    this.#used = 0;
    this.#items = [];
    this.#copies = [];
    this.#begin = undefined;
    this.#forget = false;
    this.#sent += 1;
    this.#hands.send(batch);
  }

  #told({ ahead }: AheadDigests): void {
    for (const digest of ahead) {
      const ticket = this.#expected[this.#known++];
      if (ticket !== undefined && digest !== undefined) ticket.content = contentOf(ticket, digest);
    }
    this.#wake();
  }

  #done({ buffer, contents, digest, named, error }: BatchResult): void {
    this.#sent -= 1;
    if (buffer.byteLength > 0) this.#spare.push(buffer);
    for (const [at, staged] of contents.entries()) {
      const ticket = this.#expected[at];
      if (ticket === undefined) break;
      ticket.content ??= contentOf(ticket, staged.digest);
      this.#enroll.staged(staged, ticket.size);
    }
    this.#expected.splice(0, contents.length);
    this.#known = Math.max(0, this.#known - contents.length);
    this.#digest = digest;
    this.#enroll.named(named);
    if (error !== undefined) this.#failure ??= errorOf(error);
    this.#wake();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

function contentOf({ size, inline }: Expected, digest: string): FileContent {
  return { size, digest, inline };
}

class OwnHands implements Hands {
  readonly #stager: BatchStager;
  readonly #done: (result: BatchResult) => void;

  constructor(places: StagerPlaces, done: (result: BatchResult) => void) {
    this.#stager = new BatchStager(places);
    this.#done = done;
  }

  send(batch: Batch): void {
    this.#done(this.#stager.stage(batch));
  }

  async end(): Promise<void> {
    this.#stager[Symbol.dispose]();
  }
}

class ThreadHands implements Hands {
  readonly #thread: Thread<Batch, BatchResult | AheadDigests>;
  #waiting = 0;
  #idle = (): void => undefined;

  constructor(
    places: StagerPlaces,
    {
      done,
      told,
      failed,
    }: {
      readonly done: (result: BatchResult) => void;
      readonly told: (digests: AheadDigests) => void;
      readonly failed: (error: Error) => void;
    },
  ) {
    this.#thread = new Thread("store/objects/hands.ts", places, {
      answered: (answer: BatchResult | AheadDigests) => {
        if ("ahead" in answer) {
          told(answer);
          return;
        }
        this.#waiting -= 1;
        done(answer);
        if (this.#waiting === 0) this.#idle();
      },
      failed: (error) => {
        failed(error);
        this.#waiting = 0;
        this.#idle();
      },
    });
  }

  send(batch: Batch): void {
    this.#waiting += 1;
    this.#thread.send(batch, [batch.buffer, ...batch.copies.map(({ buffer }) => buffer)]);
  }

  /** Lets the thread end what it has been given, so that it writes nothing after this. */
  async end(): Promise<void> {
    if (this.#waiting > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.#thread[Symbol.dispose]();
  }
}
