// SPDX-License-Identifier: Apache-2.0
import type { Worker } from "node:worker_threads";
import { inlineThreshold } from "../../formats/composefs/model.ts";
import { startWorker } from "../../sys/workers.ts";
import type { FileContent } from "../image/tree.ts";
import { type Batch, type BatchResult, errorOf, itemFlag, stageBatch } from "./batch.ts";
import { type StagedContent, Stager, type StagerPlaces } from "./stager.ts";

const batchBytes = 1024 * 1024;
const batchItems = 1024;
/** What may be on its way at once: more only costs memory. */
const maxBuffers = 8;

/** Stands for a content until it is staged. */
export interface Ticket {
  /** Set when the content is staged. */
  content: FileContent | undefined;
}

interface Expected extends Ticket {
  readonly size: number;
  readonly inline: Uint8Array | undefined;
}

/** Is told of each content that was staged, in order. */
export type Enroll = (content: StagedContent, size: number) => void;

/** Where batches go. */
interface Hands {
  send(batch: Batch): void;
  end(): Promise<unknown>;
}

/**
 * Takes contents for the store. They go in batches to another thread, which works out digests and writes files, or, for
 * little, are staged at once. At most 8 MiB are on their way. After an error it takes nothing more.
 */
export class Intake implements AsyncDisposable {
  readonly #enroll: Enroll;
  readonly #hands: Hands;
  readonly #expected: Expected[] = [];
  readonly #spare: ArrayBuffer[] = [];
  #buffers = 0;
  #sent = 0;
  #buffer: ArrayBuffer | undefined;
  #used = 0;
  #items: number[] = [];
  #forget = false;
  #failure: Error | undefined;
  #wake = (): void => undefined;

  constructor(places: StagerPlaces, threaded: boolean, enroll: Enroll) {
    this.#enroll = enroll;
    const done = (result: BatchResult) => this.#done(result);
    const failed = (error: Error) => this.#fail(error);
    this.#hands = threaded ? new Thread(places, done, failed) : new OwnHands(places, done);
  }

  /** Takes a content that is in memory, which is copied. Throws what staging contents before it threw. */
  async add(bytes: Uint8Array, executable: boolean): Promise<Ticket> {
    const flags = executable ? itemFlag.executable : 0;
    if (bytes.length > batchBytes) return this.addStream(slices(bytes), executable);
    if (batchBytes - this.#used < bytes.length) this.#send();
    await this.#put(bytes, flags);
    const inline = bytes.length > 0 && bytes.length <= inlineThreshold ? new Uint8Array(bytes) : undefined;
    return this.#expect(bytes.length, inline);
  }

  /** Takes a content too large for memory that streams in. Throws as `add`, or what the stream throws; then take no more. */
  async addStream(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, executable: boolean): Promise<Ticket> {
    const flags = itemFlag.part | (executable ? itemFlag.executable : 0);
    let size = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      for (let at = 0; at < chunk.length; ) {
        if (this.#used === batchBytes) this.#send();
        const part = chunk.subarray(at, at + batchBytes - this.#used);
        await this.#put(part, flags);
        at += part.length;
      }
    }
    await this.#put(new Uint8Array(0), flags | itemFlag.last);
    return this.#expect(size, undefined);
  }

  /** Waits until all that was taken is staged. Throws what staging threw. */
  async settle(): Promise<void> {
    this.#send();
    while (this.#sent > 0 && this.#failure === undefined) await this.#change();
    this.#check();
  }

  /** Begins to make durable all that was taken; `settle` waits for it. */
  startSync(): void {
    this.#send(true);
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

  async #put(bytes: Uint8Array, flags: number): Promise<void> {
    this.#check();
    if (this.#items.length >= 2 * batchItems) this.#send();
    this.#buffer ??= this.#spare.pop() ?? (await this.#newBuffer());
    new Uint8Array(this.#buffer).set(bytes, this.#used);
    this.#used += bytes.length;
    this.#items.push(bytes.length, flags);
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

  #send(sync = false): void {
    const buffer = this.#buffer ?? (sync ? new ArrayBuffer(0) : undefined);
    if (buffer === undefined) return;
    const batch = { buffer, items: this.#items, forget: this.#forget, sync };
    this.#buffer = undefined;
    this.#used = 0;
    this.#items = [];
    this.#forget = false;
    this.#sent += 1;
    this.#hands.send(batch);
  }

  #done({ buffer, contents, error }: BatchResult): void {
    this.#sent -= 1;
    if (buffer.byteLength > 0) this.#spare.push(buffer);
    for (const [at, staged] of contents.entries()) {
      const ticket = this.#expected[at];
      if (ticket === undefined) break;
      ticket.content = { size: ticket.size, digest: staged.digest, inline: ticket.inline };
      this.#enroll(staged, ticket.size);
    }
    this.#expected.splice(0, contents.length);
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

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += batchBytes) yield bytes.subarray(at, at + batchBytes);
}

class OwnHands implements Hands {
  readonly #stager: Stager;
  readonly #done: (result: BatchResult) => void;

  constructor(places: StagerPlaces, done: (result: BatchResult) => void) {
    this.#stager = new Stager(places);
    this.#done = done;
  }

  send(batch: Batch): void {
    this.#done(stageBatch(this.#stager, batch));
  }

  async end(): Promise<void> {
    this.#stager[Symbol.dispose]();
  }
}

class Thread implements Hands {
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #waiting = 0;
  #idle = (): void => undefined;

  constructor(places: StagerPlaces, done: (result: BatchResult) => void, failed: (error: Error) => void) {
    this.#worker = startWorker("store/objects/hands.ts", places);
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        failed(new Error("The thread that stores contents has ended"));
        resolve();
      });
    });
    this.#worker.on("error", failed);
    this.#worker.on("message", (result: BatchResult) => {
      this.#waiting -= 1;
      done(result);
      if (this.#waiting === 0) this.#idle();
    });
  }

  send(batch: Batch): void {
    this.#waiting += 1;
    this.#worker.postMessage(batch, [batch.buffer]);
  }

  /** Lets the thread end what it has been given, so that it writes nothing after this. */
  async end(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    if (this.#waiting > 0) await Promise.race([idle, this.#ended]);
    await this.#worker.terminate();
  }
}
