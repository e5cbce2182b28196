// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Output } from "../../loop/endpoint.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { type Direction, type Guard, GuardedLink, type GuardedOptions } from "../guard/link.ts";
import { OwnStreams } from "./own.ts";
import {
  type Command,
  command,
  malformed,
  namesByIndex,
  needsOf,
  readFrame,
  refusal,
  type Source,
  sourceTold,
  withoutSharedMemory,
} from "./pulse.ts";
import { ownSample } from "./samples.ts";
import { type Fate, PulseStream } from "./stream.ts";

interface SoundOptions extends GuardedOptions<Source> {
  /** Whose the samples are. */
  readonly app: string;
}

class SoundGuard implements Guard {
  readonly streams: Readonly<Record<Direction, PulseStream>>;
  readonly #options: SoundOptions;
  readonly #refusals: Uint8Array[] = [];
  /** What the last answer was, and whether that is for the command that waits. */
  #granted: ReadonlySet<Source> = new Set();
  #answered = false;
  /** Of the protocol, as the client's greeting has it. */
  #version: number | undefined;
  readonly #own = new OwnStreams();
  readonly #heard = new Set<Source>();

  constructor(options: SoundOptions, to: Readonly<Record<Direction, Output>>) {
    this.#options = options;
    this.streams = {
      client: new PulseStream((...found) => this.#fromClient(...found), to.server),
      server: new PulseStream((found) => this.#fromServer(found), to.client),
    };
  }

  #fromClient(message: Command, bytes: Uint8Array, at: number): Fate {
    if (message.number === command.auth) this.#greet(bytes, at);
    const needs = needsOf(message);
    const opensRecording = message.number === command.createRecordStream;
    if (opensRecording && !this.#answered) return "wait";
    this.#options.traffic.messages++;
    const doing = namesByIndex(message);
    const isOthers = doing !== undefined && !this.#own.has(doing, message.numbers[0]);
    if (needs === "refused" || isOthers) return this.#refuse(message);
    // What is said about a stream that is open needs nothing, but where it would change what is heard.
    const asks = opensRecording || needs === "monitor";
    if (opensRecording) this.#answered = false;
    if (needs !== "nothing" && asks && !this.#granted.has(needs)) return this.#refuse(message);
    const { length } = readFrame(bytes, at);
    const own = ownSample(this.#options.app, this.#version ?? 0, message, bytes.subarray(at, at + length));
    if (own === "refused") return this.#refuse(message);
    this.#own.ask(message);
    return own ?? "pass";
  }

  /** Once: what the server tells depends on the version that it was told. */
  #greet(bytes: Uint8Array, at: number): void {
    if (this.#version !== undefined) throw malformed("two greetings");
    this.#version = withoutSharedMemory(bytes, at);
  }

  #refuse({ tag }: Command): Fate {
    this.#options.traffic.denied++;
    this.#refusals.push(refusal(tag));
    return "drop";
  }

  #fromServer(message: Command): Fate {
    const source = sourceTold(message, this.#own.hear(message) === "records");
    this.#options.traffic.messages++;
    if (source === undefined) return "pass";
    // What a stream has that was to have the usual source is known only now; nothing of it has passed yet.
    if (!this.#granted.has(source))
      throw new DowelError("SOUND_PROTOCOL", `A stream has got a ${source} that it may not hear`);
    this.#heard.add(source);
    return "pass";
  }

  async learn(): Promise<void> {
    this.#granted = await this.#options.leave.now();
    this.#answered = true;
  }

  get hears(): boolean {
    return this.#heard.size > 0;
  }

  async look(): Promise<void> {
    this.#granted = await this.#options.leave.now();
    const forbidden = [...this.#heard].find((source) => !this.#granted.has(source));
    if (forbidden !== undefined) throw new DowelError("SOUND_PROTOCOL", `The leave for the ${forbidden} has ended`);
  }

  takeRefusals(): readonly Uint8Array[] {
    return this.#refusals.splice(0);
  }

  [Symbol.dispose](): void {}
}

/**
 * A client of the sound server (PulseAudio's protocol) that is heard, and hears only what it may: each stream that
 * records is asked about when it is opened, and again while it lasts. No memory is shared, so no descriptors are passed.
 * Samples are the app's own.
 */
export class SoundLink extends GuardedLink<Source> {
  /** Owns the descriptor. */
  constructor(loop: EventLoop, clientFd: number, options: SoundOptions) {
    super(loop, clientFd, options, (to) => new SoundGuard(options, to));
  }
}
