// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { randomBytes } from "../../base/random.ts";
import { type Message, takeMessage } from "../../dbus/message.ts";
import { MessageHeader } from "../../formats/dbus/header.ts";
import { SaslClient, SaslServer } from "../../formats/dbus/sasl.ts";
import { type Consumer, Endpoint, type Output } from "../../loop/endpoint.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { neverBlock } from "../../sys/sockets.ts";
import { closeDescriptors, duplicateDescriptor, FixedBuffer } from "../../sys/transfer.ts";
import type { Answer } from "./answers.ts";
import { CountedLink, type CountedOptions } from "./countedlink.ts";
import { BusFilter, type Decision } from "./filter.ts";
import { HeldMessages, type Refusal } from "./held.ts";
import type { LocalNames } from "./local.ts";
import type { BusPolicy } from "./policy.ts";
import { type Judge, MessageStream } from "./stream.ts";

export type Direction = "from-client" | "from-bus";

export interface LinkOptions extends CountedOptions {
  /** Undefined: everything passes. */
  readonly policy: BusPolicy | undefined;
  readonly sloppyNames: boolean;
  readonly denied?: (header: MessageHeader, answer: Answer) => void;
  /** What the gateway itself serves to this client. */
  readonly local?: LocalService | undefined;
  /** Asks whether the client may talk to a name that its policy asks about; where it may, the policy says so by then. */
  readonly consent?: (name: string) => Promise<Refusal>;
  /** Told of every message, what becomes of it, and what the client gets instead where it may not send it. */
  readonly log?: (direction: Direction, header: MessageHeader, decision: Decision, refusal?: Answer) => void;
}

/** Serves names of the gateway's own to one client. */
export interface LocalService {
  readonly names: LocalNames;
  /** Takes a call; owns the descriptors of the message. Answers whether promises are left that must go on. */
  call(message: Message, client: LocalClient): boolean;
  /** The client has gone. */
  ended(): void;
}

/** A client, as a local service reaches it. */
export interface LocalClient {
  /** Sends a message; copies of the descriptors go along. */
  send(bytes: Uint8Array, descriptors: readonly number[]): void;
  /** The unique name that the client believes to have a name. */
  ownerOf(name: string): string;
}

interface ForClient {
  readonly buffer: FixedBuffer;
  readonly descriptors: readonly number[];
}

const nothing: readonly Uint8Array[] = [];

/** A stream that passes everything as it comes. */
class PlainStream {
  readonly #output: Output;
  readonly descriptors: number[] = [];
  readonly need = 1;
  readonly waiting = false;
  readonly atBorder = true;
  /** Descriptors may come with any byte. */
  readonly unseen = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  consume(buffer: FixedBuffer, start: number, end: number): number {
    if (end > start) this.#output.send(buffer, start, end, this.descriptors.splice(0));
    return end;
  }

  passed(): void {}
}

type Stream = MessageStream | PlainStream;

/**
 * A client's connection and the one to the bus that belongs to it alone. The bus is authenticated to first, because its
 * id is needed to answer the client. An end that does not take what is sent to it stops the reading of the other, so at
 * most what one read brought is kept.
 */
export class Link extends CountedLink {
  readonly #options: LinkOptions;
  readonly #loop: EventLoop;
  readonly #filter: BusFilter | undefined;
  readonly #client: Endpoint;
  #bus: Endpoint | undefined;
  readonly #toBus: Stream;
  readonly #toClient: Stream;
  readonly #busAuth = new SaslClient(true);
  #clientAuth: SaslServer | undefined;
  readonly #user: number;
  #draining = false;
  readonly #held = new HeldMessages();
  readonly #heldHeader = new MessageHeader();
  #forClient: ForClient[] = [];

  /** Owns the descriptor of the client, from now on. @param user the id that both ends authenticate as */
  constructor(loop: EventLoop, clientFd: number, user: number, options: LinkOptions) {
    super(options);
    this.#options = options;
    this.#loop = loop;
    this.#user = user;
    const { policy, sloppyNames, denied, local } = options;
    if (policy !== undefined) {
      const firstSerial = 0x4000_0000 + (randomBytes(4).readUInt32LE() >>> 1);
      this.#filter = new BusFilter({
        policy,
        sloppyNames,
        firstSerial,
        local: local?.names,
        denied: (header, answer) => {
          options.traffic.denied++;
          denied?.(header, answer);
        },
      });
    }
    this.#toBus = this.#stream("from-client", {
      send: (...a) => this.#bus?.send(...a),
      sendCopy: (b) => this.#bus?.sendCopy(b),
    });
    this.#client = new Endpoint(loop, clientFd, this.#consumer("from-client", this.#toBus));
    this.#toClient = this.#stream("from-bus", this.#client);
    this.#client.setReading(false);
  }

  #stream(direction: Direction, output: Output): Stream {
    const filter = this.#filter;
    if (filter === undefined) return new PlainStream(output);
    const { log, traffic } = this.#options;
    const decide = direction === "from-client" ? filter.fromClient.bind(filter) : filter.fromBus.bind(filter);
    const judge: Judge = {
      decide:
        log === undefined
          ? decide
          : (header, bytes, start, complete) => {
              const decision = decide(header, bytes, start, complete);
              const refusal = direction === "from-client" ? filter.refusal : undefined;
              if (decision !== "whole" && decision !== "wait") log(direction, header, decision, refusal);
              return decision;
            },
      get replacement() {
        return filter.replacement;
      },
      take: (header, bytes, start, descriptors) => this.#takeLocal(header, bytes, start, descriptors),
      takeInjected: () => (direction === "from-client" ? filter.takeInjected() : nothing),
    };
    return new MessageStream(judge, output, traffic);
  }

  #consumer(direction: Direction, stream: Stream): Consumer {
    const fromClient = direction === "from-client";
    return {
      consume: this.counted((buffer, start, end) =>
        fromClient ? this.#fromClient(buffer, start, end) : this.#fromBus(buffer, start, end),
      ),
      get need() {
        return stream.need;
      },
      unseen: () => (this.#other(fromClient)?.takesUnseen === true ? stream.unseen : 0),
      passUnseen: (from) => this.#passUnseen(from, stream, this.#other(fromClient)),
      descriptors: stream.descriptors,
      drained: () => (this.#draining ? this.end() : this.settle()),
      ended: () => this.#oneEnded(this.#other(fromClient)),
    };
  }

  #other(fromClient: boolean): Endpoint | undefined {
    return fromClient ? this.#bus : this.#client;
  }

  #passUnseen(from: number, stream: Stream, to: Endpoint | undefined): number {
    const count = to?.passUnseen(from, stream.unseen) ?? 0;
    if (count > 0) {
      stream.passed(count);
      this.#options.traffic.bytes += count;
      this.settle();
    }
    return count;
  }

  /** The policy says something else than before. */
  policyChanged(): void {
    if (this.disposed || this.#bus === undefined) return;
    this.#filter?.policyChanged();
    this.#inject();
    this.settle();
  }

  #takeLocal(header: MessageHeader, bytes: Uint8Array, start: number, descriptors: readonly number[]): void {
    const { local } = this.#options;
    const name = this.#filter?.asked ?? "";
    if (name !== "") {
      this.#loop.yield();
      this.#ask(name, bytes.subarray(start, start + header.length), descriptors);
      return;
    }
    // The name that the bus gave the client, whatever it says itself.
    const message = { ...takeMessage(bytes, start, header, descriptors), sender: this.#filter?.clientName ?? "" };
    if (local === undefined) closeDescriptors(descriptors);
    else if (local.call(message, this.#asLocalClient())) this.#loop.yield();
  }

  #asLocalClient(): LocalClient {
    return {
      send: (...answer) => this.#sendLocal(...answer),
      ownerOf: (name) => this.#filter?.ownerOf(name) ?? name,
    };
  }

  /** Holds a message back until it is said whether it may go on. */
  #ask(name: string, bytes: Uint8Array, descriptors: readonly number[]): void {
    const held = this.#held.add(bytes, descriptors);
    const { consent } = this.#options;
    const decide = (refusal: Refusal): void => {
      held.decided = true;
      held.refusal = refusal;
      this.attempt(() => this.settle());
    };
    const answer = consent === undefined ? Promise.resolve("Nobody can be asked here") : consent(name);
    answer.catch(() => "Nobody could be asked").then(decide);
  }

  /** What was decided goes on, or is answered, at the next border between messages of the client. */
  #flushHeld(bus: Endpoint): void {
    const filter = this.#filter;
    while (filter?.settled === true && this.#toBus.atBorder && !bus.blocked) {
      const held = this.#held.takeDecided();
      if (held === undefined) return;
      const { buffer, descriptors, refusal } = held;
      const header = this.#heldHeader;
      header.measure(buffer.bytes, 0);
      header.read(buffer.bytes, 0);
      let decision = refusal === undefined ? filter.fromClient(header, buffer.bytes, 0, true) : "take";
      // It was taken back in the meantime.
      if (decision === "take") decision = filter.refuse(header, refusal ?? "It is no longer allowed");
      if (decision === "pass") bus.send(buffer, 0, buffer.bytes.length, descriptors);
      else closeDescriptors(descriptors);
      if (decision === "replace") bus.sendCopy(filter.replacement);
      this.#inject();
    }
  }

  /** Goes to the client at the next border between messages of the bus. */
  #sendLocal(bytes: Uint8Array, descriptors: readonly number[]): void {
    if (this.disposed) return;
    const buffer = new FixedBuffer(bytes.length);
    buffer.bytes.set(bytes);
    this.#forClient.push({ buffer, descriptors: descriptors.map(duplicateDescriptor) });
    if (this.#forClient.length > limits.busCallsOutstanding) this.end();
    else this.#flushLocal();
  }

  #flushLocal(): void {
    while (this.#forClient.length > 0 && this.#toClient.atBorder && !this.#client.blocked && !this.disposed) {
      const next = this.#forClient.shift();
      if (next !== undefined) this.#client.send(next.buffer, 0, next.buffer.bytes.length, next.descriptors);
    }
  }

  /** Takes over a connection to the bus on which nothing was said yet. */
  attachBus(fd: number): void {
    if (this.disposed) {
      closeDescriptors([fd]);
      return;
    }
    neverBlock(fd);
    this.#bus = new Endpoint(this.#loop, fd, this.#consumer("from-bus", this.#toClient));
    this.#bus.sendCopy(SaslClient.identity(this.#user));
  }

  /** Takes the connection that a function opens; where it throws, the link ends with its reason. */
  attachFrom(connect: () => number): void {
    this.attempt(() => this.attachBus(connect()));
  }

  #fromBus(buffer: FixedBuffer, start: number, end: number): number {
    if (this.#busAuth.done) {
      const used = this.#toClient.consume(buffer, start, end);
      this.#inject();
      return used;
    }
    const at = this.#busAuth.feed(buffer.bytes, start, end);
    if (!this.#busAuth.done) return at;
    this.#clientAuth ??= new SaslServer(this.#user, this.#busAuth.guid);
    if (this.#clientAuth.negotiating) {
      this.#tellClient(this.#clientAuth.agree(this.#busAuth.passesDescriptors));
      this.#client.offerHeld();
    }
    return at;
  }

  #tellClient(answer: string): void {
    if (answer !== "") this.#client.sendCopy(Buffer.from(answer, "latin1"));
  }

  /** What the filter asks the bus because of an answer goes at once, unless a message of the client is half sent. */
  #inject(): void {
    if (this.#filter === undefined || !this.#toBus.atBorder) return;
    for (const bytes of this.#filter.takeInjected()) this.#bus?.sendCopy(bytes);
  }

  #fromClient(buffer: FixedBuffer, start: number, end: number): number {
    const auth = this.#clientAuth;
    if (auth === undefined || auth.done) return this.#toBus.consume(buffer, start, end);
    const { answer, next } = auth.feed(buffer.bytes, start, end);
    this.#tellClient(answer);
    if (auth.negotiating && this.#busAuth.done) this.#bus?.sendCopy(Buffer.from(this.#busAuth.negotiate()));
    if (auth.done) {
      this.#bus?.sendCopy(Buffer.from(SaslClient.end));
      return this.#toBus.consume(buffer, next, end);
    }
    if (this.#toBus.descriptors.length === 0) return next;
    throw new DowelError("DBUS_AUTH", "Descriptors came before the authentication was over");
  }

  protected override settle(): void {
    this.#flushLocal();
    const bus = this.#bus;
    if (bus === undefined || this.disposed || this.#draining) return;
    this.#flushHeld(bus);
    bus.setReading(!this.#client.blocked);
    const release = this.#toBus.waiting && (this.#filter?.settled ?? true);
    const ready = this.#clientAuth !== undefined && this.#busAuth.done && !bus.blocked;
    this.#client.setReading(ready && (release || !this.#toBus.waiting));
    if (release && ready) this.#client.offerHeld();
  }

  /** What is on its way to the other end still gets there. */
  #oneEnded(other: Endpoint | undefined): void {
    if (this.#draining || other === undefined || !other.blocked) {
      this.end();
      return;
    }
    this.#draining = true;
    this.#client.setReading(false);
    this.#bus?.setReading(false);
  }

  protected override close(): void {
    for (const { descriptors } of this.#forClient.splice(0)) closeDescriptors(descriptors);
    this.#client[Symbol.dispose]();
    this.#bus?.[Symbol.dispose]();
    this.#options.local?.ended();
    this.#held[Symbol.dispose]();
    closeDescriptors(this.#toBus.descriptors.splice(0));
    closeDescriptors(this.#toClient.descriptors.splice(0));
  }
}
