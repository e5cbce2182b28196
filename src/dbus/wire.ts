// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { writeValues } from "../formats/dbus/encode.ts";
import { fixedBytes, MessageHeader } from "../formats/dbus/header.ts";
import { SaslClient } from "../formats/dbus/sasl.ts";
import { encodeMessage, type MessageFields, ValueWriter } from "../formats/dbus/write.ts";
import { type Consumer, Endpoint } from "../loop/endpoint.ts";
import type { EventLoop } from "../loop/loop.ts";
import { closeDescriptors, duplicateDescriptor, FixedBuffer } from "../sys/transfer.ts";
import { type Message, takeMessage } from "./message.ts";

export interface WireEvents {
  /** Owns the message's descriptors. */
  readonly message: (message: Message) => void;
  /** Called once, with the reason where it is not that the other end closed the connection. */
  readonly ended: (reason: unknown) => void;
}

/** A message to send; its serial is chosen here. */
export type Outgoing = Omit<MessageFields, "serial" | "body" | "signature" | "unixFds">;

/** The bytes of a message with its values, and the descriptors that belong to it, which stay their owner's. */
export function encodeWithValues(
  fields: Outgoing & { readonly serial: number },
  signature: string,
  values: readonly unknown[],
): { readonly bytes: Uint8Array; readonly descriptors: readonly number[] } {
  const descriptors: number[] = [];
  if (signature === "") return { bytes: encodeMessage(fields), descriptors };
  // The header says how many descriptors come, which is known only behind the body.
  const body = encodeBody(signature, values, descriptors);
  const unixFds = descriptors.length === 0 ? {} : { unixFds: descriptors.length };
  return {
    bytes: encodeMessage({ ...fields, ...unixFds, signature, body: (writer) => writer.bytes(body) }),
    descriptors,
  };
}

function encodeBody(signature: string, values: readonly unknown[], descriptors: number[]): Uint8Array {
  return writeValues(new ValueWriter(true), signature, values, descriptors).finish();
}

/** A client's connection to a bus or a server: authenticates, then messages in and out. Owns the descriptor. */
export class Wire implements Disposable {
  readonly #endpoint: Endpoint;
  readonly #loop: EventLoop;
  readonly #events: WireEvents;
  readonly #auth = new SaslClient();
  readonly #header = new MessageHeader();
  readonly #descriptors: number[] = [];
  #need = 1;
  #serial = 0;
  #ended = false;

  /** What is sent before the other end has agreed waits with it. */
  constructor(loop: EventLoop, fd: number, events: WireEvents) {
    this.#loop = loop;
    this.#events = events;
    this.#endpoint = new Endpoint(loop, fd, this.#consumer());
    this.#endpoint.sendCopy(SaslClient.opening(process.getuid?.() ?? 0));
  }

  #consumer(): Consumer {
    const wire = this;
    return {
      consume: (buffer, start, end) => wire.#consume(buffer.bytes, start, end),
      get need() {
        return wire.#need;
      },
      descriptors: this.#descriptors,
      drained: () => undefined,
      ended: () => this.#end(undefined),
    };
  }

  #consume(bytes: Uint8Array, start: number, end: number): number {
    this.#loop.yield();
    try {
      let at = this.#auth.done ? start : this.#auth.feed(bytes, start, end);
      if (!this.#auth.done) return at;
      for (let length = this.#lengthAt(bytes, at, end); length > 0; length = this.#lengthAt(bytes, at, end)) {
        this.#deliver(bytes, at);
        at += length;
        if (this.#ended) return end;
      }
      return at;
    } catch (error) {
      this.#end(error);
      return end;
    }
  }

  /** Bytes of the message at an offset; 0 where it has not all come. */
  #lengthAt(bytes: Uint8Array, at: number, end: number): number {
    this.#need = fixedBytes;
    if (end - at < fixedBytes) return 0;
    this.#header.measure(bytes, at);
    const { length } = this.#header;
    if (length > limits.busWholeMessageBytes) throw new DowelError("LIMIT_EXCEEDED", `A message has ${length} bytes`);
    this.#need = length;
    return end - at < length ? 0 : length;
  }

  #deliver(bytes: Uint8Array, at: number): void {
    this.#header.read(bytes, at);
    const count = this.#header.unixFds;
    if (count > this.#descriptors.length) throw new DowelError("DBUS_INVALID", `${count} descriptors did not come`);
    this.#events.message(takeMessage(bytes, at, this.#header, this.#descriptors.splice(0, count)));
  }

  /** Sends a message with copies of the descriptors among its values; returns its serial. Throws a `TypeError` for wrong values. */
  send(fields: Outgoing, signature = "", values: readonly unknown[] = []): number {
    this.#serial = (this.#serial % 0xffff_ffff) + 1;
    const { bytes, descriptors } = encodeWithValues({ ...fields, serial: this.#serial }, signature, values);
    if (this.#ended) return this.#serial;
    const buffer = new FixedBuffer(bytes.length);
    buffer.bytes.set(bytes);
    this.#endpoint.send(buffer, 0, bytes.length, descriptors.map(duplicateDescriptor));
    return this.#serial;
  }

  #end(reason: unknown): void {
    if (this.#ended) return;
    this[Symbol.dispose]();
    this.#events.ended(reason);
  }

  /** Closes the connection; `ended` is not called any more. */
  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#loop.yield();
    this.#endpoint[Symbol.dispose]();
    closeDescriptors(this.#descriptors.splice(0));
  }
}
