// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { checkCancelled, DowelError, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { parseBusAddress } from "../../formats/dbus/address.ts";
import { BodyReader } from "../../formats/dbus/body.ts";
import { readValues } from "../../formats/dbus/decode.ts";
import { fixedBytes, MessageHeader, messageType } from "../../formats/dbus/header.ts";
import { SaslClient } from "../../formats/dbus/sasl.ts";
import { encodeMessage, type MessageFields } from "../../formats/dbus/write.ts";
import { connectUnix } from "../../sys/sockets.ts";
import { broken, closeDescriptors, FixedBuffer, receive, transmit, wouldBlock } from "../../sys/transfer.ts";

/** What D-Bus clients wait for an answer by default. */
const answerMilliseconds = 25_000;
const pollMilliseconds = 2;

export type Call = Required<Pick<MessageFields, "destination" | "path" | "interface" | "member">> &
  Pick<MessageFields, "signature" | "body">;

function failed(text: string, cause?: unknown): DowelError {
  return new DowelError("BUS_CALL_FAILED", text, cause === undefined ? {} : { cause });
}

/** Whether a call was answered by an error of a name. */
export function isBusError(error: unknown, name: string): boolean {
  return isDowelError(error, "BUS_CALL_FAILED") && error.cause === name;
}

/** A connection to a message bus for a few calls, one after the other. The bus and who answers are trusted. */
export class BusClient implements Disposable {
  readonly #fd: number;
  readonly #signal: AbortSignal | undefined;
  readonly #buffer = new FixedBuffer(limits.busHeaderBytes);
  #filled = 0;
  #serial = 0;

  private constructor(fd: number, signal: AbortSignal | undefined) {
    this.#fd = fd;
    this.#signal = signal;
  }

  /** Connects to the first of an address's sockets. Throws `BUS_CALL_FAILED` or `DBUS_INVALID`. */
  static async connect(address: string, signal?: AbortSignal): Promise<BusClient> {
    const [socket] = parseBusAddress(address);
    if (socket === undefined) throw failed(`The bus address ${address} names no socket`);
    let fd: number;
    try {
      fd = connectUnix(socket);
    } catch (cause) {
      throw failed(`Cannot reach the message bus at ${address}`, cause);
    }
    const client = new BusClient(fd, signal);
    try {
      await client.#greet();
      return client;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  async #greet(): Promise<void> {
    await this.#send(SaslClient.opening(process.geteuid?.() ?? 0), []);
    const sasl = new SaslClient();
    while (!sasl.done) {
      await this.#receive();
      this.#drop(sasl.feed(this.#buffer.bytes, 0, this.#filled));
    }
    const bus = { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" };
    await this.call({ ...bus, interface: "org.freedesktop.DBus", member: "Hello" });
  }

  /** Waits until something can be done, with an end. */
  async #until<T>(attempt: () => T | undefined): Promise<T> {
    const end = performance.now() + answerMilliseconds;
    for (;;) {
      checkCancelled(this.#signal);
      const result = attempt();
      if (result !== undefined) return result;
      if (performance.now() > end) throw failed("The message bus does not answer");
      await sleep(pollMilliseconds);
    }
  }

  async #send(bytes: Uint8Array, descriptors: readonly number[]): Promise<void> {
    const copy = new FixedBuffer(bytes.length);
    copy.bytes.set(bytes);
    for (let sent = 0; sent < bytes.length; ) {
      const fds = sent === 0 ? descriptors : [];
      sent += await this.#until(() => {
        const count = transmit(this.#fd, copy.address + sent, bytes.length - sent, fds);
        if (count === broken) throw failed("The message bus has closed the connection");
        return count === wouldBlock ? undefined : count;
      });
    }
  }

  async #receive(): Promise<void> {
    const room = this.#buffer.bytes.length - this.#filled;
    if (room === 0) throw failed("An answer on the message bus is too large");
    const unwanted: number[] = [];
    this.#filled += await this.#until(() => {
      const count = receive(this.#fd, this.#buffer.address + this.#filled, room, unwanted);
      if (count === broken || count === 0) throw failed("The message bus has closed the connection");
      return count === wouldBlock ? undefined : count;
    });
    closeDescriptors(unwanted);
  }

  #drop(count: number): void {
    this.#buffer.bytes.copyWithin(0, count, this.#filled);
    this.#filled -= count;
  }

  /** A whole message at the start of the buffer. */
  async #next(): Promise<MessageHeader> {
    const header = new MessageHeader();
    while (this.#filled < fixedBytes) await this.#receive();
    header.measure(this.#buffer.bytes, 0);
    while (this.#filled < header.length) await this.#receive();
    header.read(this.#buffer.bytes, 0);
    return header;
  }

  /**
   * Calls a method, with copies of descriptors, and answers what `read` makes of the reply's body. Throws
   * `BUS_CALL_FAILED` with the error's name where there is one.
   */
  async call<T>(
    call: Call,
    descriptors: readonly number[] = [],
    read?: (body: BodyReader) => T,
  ): Promise<T | undefined> {
    return await this.#exchange(call, descriptors, (header) => read?.(new BodyReader(this.#buffer.bytes, 0, header)));
  }

  /** Calls a method and answers the values of the reply. Throws `BUS_CALL_FAILED` and `DBUS_INVALID`. */
  async ask(call: Call): Promise<readonly unknown[]> {
    return (await this.#exchange(call, [], (header) => readValues(this.#buffer.bytes, 0, header, []))) ?? [];
  }

  async #exchange<T>(
    call: Call,
    descriptors: readonly number[],
    read: (header: MessageHeader) => T,
  ): Promise<T | undefined> {
    const serial = ++this.#serial;
    const counted = descriptors.length === 0 ? {} : { unixFds: descriptors.length };
    await this.#send(encodeMessage({ ...call, ...counted, type: messageType.call, serial }), descriptors);
    for (;;) {
      const header = await this.#next();
      const isReply = header.replySerial === serial;
      const name = `${call.interface}.${call.member}`;
      if (isReply && header.type === messageType.error) {
        throw failed(`${name} failed: ${header.errorName}`, header.errorName);
      }
      const result = isReply ? read(header) : undefined;
      this.#drop(header.length);
      if (isReply) return result;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
