// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type Consumer, Endpoint } from "../../loop/endpoint.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import type { Traffic } from "../bus/stream.ts";
import {
  type Command,
  isAuth,
  needsOf,
  opensRecording,
  refusal,
  type Source,
  sourceTold,
  withoutSharedMemory,
} from "./pulse.ts";
import { type Fate, PulseStream } from "./stream.ts";

export interface SoundOptions {
  /** Whether the app may hear that now. */
  readonly mayHear: (source: Source) => Promise<boolean>;
  readonly traffic: Traffic;
  /** Told once, with the reason where it is not that an end closed its connection. */
  readonly ended: (reason?: unknown) => void;
}

/** A recording that is not allowed any more ends within this time. */
const lookMilliseconds = 1000;

/**
 * A client of the sound server (PulseAudio's protocol) that is heard, and hears only what it may: each stream that
 * records is asked about when it is opened, and again and again while it lasts. No memory is shared, so no descriptors
 * are passed.
 */
export class SoundLink implements Disposable {
  readonly #loop: EventLoop;
  readonly #options: SoundOptions;
  readonly #client: Endpoint;
  #server: Endpoint | undefined;
  readonly #toServer: PulseStream;
  readonly #toClient: PulseStream;
  #refusals: Uint8Array[] = [];
  /** What the last answer was, and whether that is for the command that waits. */
  #granted: ReadonlySet<Source> = new Set();
  #answered = false;
  /** Tags of commands that opened a stream; kept, as a client may give other commands the same. */
  readonly #opening = new Set<number>();
  readonly #heard = new Set<Source>();
  #timer: Disposable | undefined;
  #disposed = false;

  /** Owns the descriptor. */
  constructor(loop: EventLoop, clientFd: number, options: SoundOptions) {
    this.#loop = loop;
    this.#options = options;
    options.traffic.connections++;
    const client: Consumer = this.#consumer(() => this.#toServer);
    this.#client = new Endpoint(loop, clientFd, client);
    this.#client.setReading(false);
    this.#toServer = new PulseStream((...found) => this.#fromClient(...found), {
      send: (...bytes) => this.#server?.send(...bytes),
      sendCopy: (bytes) => this.#server?.sendCopy(bytes),
    });
    this.#toClient = new PulseStream((found) => this.#fromServer(found), this.#client);
  }

  #consumer(stream: () => PulseStream): Consumer {
    const descriptors: number[] = [];
    return {
      consume: (buffer, start, end) => {
        closeDescriptors(descriptors.splice(0));
        try {
          const used = stream().consume(buffer, start, end);
          this.#options.traffic.bytes += used - start;
          this.#settle();
          return used;
        } catch (error) {
          this.#end(error);
          return end;
        }
      },
      get need() {
        return stream().need;
      },
      descriptors,
      drained: () => this.#settle(),
      ended: () => this.#end(),
    };
  }

  /** Takes the connection that a function opens; where it throws, the link ends with its reason. */
  attachFrom(connect: () => number): void {
    try {
      const fd = connect();
      if (this.#disposed) closeDescriptors([fd]);
      else
        this.#server = new Endpoint(
          this.#loop,
          fd,
          this.#consumer(() => this.#toClient),
        );
      this.#settle();
    } catch (error) {
      this.#end(error);
    }
  }

  #fromClient(command: Command, bytes: Uint8Array, at: number): Fate {
    if (isAuth(command)) withoutSharedMemory(bytes, at);
    const needs = needsOf(command);
    this.#options.traffic.messages++;
    if (needs === "nothing") return "pass";
    if (needs === "refused") return this.#refuse(command);
    // What is said about a stream that is open needs nothing, but where it would change what is heard.
    if (!opensRecording(command)) {
      return needs === "monitor" && !this.#granted.has(needs) ? this.#refuse(command) : "pass";
    }
    if (!this.#answered) {
      void this.#ask();
      return "wait";
    }
    this.#answered = false;
    if (!this.#granted.has(needs) || this.#opening.size >= limits.soundRecordings) return this.#refuse(command);
    this.#opening.add(command.tag);
    return "pass";
  }

  #refuse({ tag }: Command): Fate {
    this.#options.traffic.denied++;
    this.#refusals.push(refusal(tag));
    return "drop";
  }

  async #renew(): Promise<void> {
    this.#loop.yield();
    const allowed = new Set<Source>();
    for (const source of ["microphone", "monitor"] as const) {
      if (await this.#options.mayHear(source)) allowed.add(source);
    }
    this.#granted = allowed;
  }

  async #ask(): Promise<void> {
    await this.#renew();
    if (this.#disposed) return;
    this.#answered = true;
    this.#client.offerHeld();
    this.#settle();
  }

  #fromServer(message: Command): Fate {
    const source = sourceTold(message, this.#opening);
    this.#options.traffic.messages++;
    if (source === undefined) return "pass";
    // What a stream has that was to have the usual source is known only now; nothing of it has passed yet.
    if (!this.#granted.has(source))
      throw new DowelError("SOUND_PROTOCOL", `A stream has got a ${source} that it may not hear`);
    this.#heard.add(source);
    this.#timer ??= this.#loop.after(lookMilliseconds, () => void this.#look());
    return "pass";
  }

  /** Ends the connection where it hears what it may not. */
  async #look(): Promise<void> {
    await this.#renew();
    if (this.#disposed) return;
    if ([...this.#heard].some((source) => !this.#granted.has(source))) this.#end();
    else this.#timer = this.#loop.after(lookMilliseconds, () => void this.#look());
  }

  #settle(): void {
    if (this.#disposed || this.#server === undefined) return;
    while (this.#refusals.length > 0 && this.#toClient.atBorder && !this.#client.blocked) {
      this.#client.sendCopy(this.#refusals.shift() ?? new Uint8Array());
    }
    if (this.#refusals.length > limits.portalCalls) {
      this.#end();
      return;
    }
    this.#server.setReading(!this.#client.blocked);
    this.#client.setReading(!this.#server.blocked && !this.#toServer.waiting);
  }

  #end(reason?: unknown): void {
    if (this.#disposed) return;
    this[Symbol.dispose]();
    this.#options.ended(reason);
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#options.traffic.connections--;
    this.#timer?.[Symbol.dispose]();
    this.#client[Symbol.dispose]();
    this.#server?.[Symbol.dispose]();
  }
}
