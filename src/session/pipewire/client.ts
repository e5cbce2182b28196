// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { write } from "../../formats/pod/write.ts";
import { type Consumer, Endpoint } from "../../loop/endpoint.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { duplicateDescriptor, FixedBuffer } from "../../sys/transfer.ts";
import { Globals } from "./globals.ts";
import {
  client,
  core,
  encodeMessage,
  interfacePrefix,
  type Message,
  node,
  registry,
  securityContext,
  suspend,
  valuesOf,
} from "./message.ts";
import { PipewireStream, type Verdict } from "./stream.ts";

const [protocolVersion, registryVersion] = [3, 3];
const registryId = 2;
const nowhere = { send: () => undefined, sendCopy: () => undefined };

interface Question {
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** The service's own connection to PipeWire: it sees everything, makes nothing but security contexts, and suspends cameras. */
export class PipewireClient implements Disposable {
  readonly globals = new Globals();
  readonly #endpoint: Endpoint;
  readonly #stream = new PipewireStream((message) => this.#hear(message), nowhere);
  readonly #loop: EventLoop;
  readonly #ended: () => void;
  readonly #questions = new Map<number, Question>();
  #serial = 0;
  #contextId: number | undefined;
  #nextId = registryId + 1;
  /** Why contexts were not made, by the serial of what asked for them. */
  readonly #refusals = new Map<number, string>();
  #closed = false;

  /** Owns the descriptor. @param ended called once, when the connection has ended */
  constructor(loop: EventLoop, fd: number, ended: () => void) {
    this.#loop = loop;
    this.#ended = ended;
    this.#endpoint = new Endpoint(loop, fd, this.#consumer());
    this.#send(0, core.methods.hello, write.struct(write.int(protocolVersion)));
    // What a client may see is decided when it has said who it is.
    const properties = new Map([["application.name", "Dowel"]]);
    const said = write.struct(write.struct(write.dictionary(properties)));
    this.#send(1, client.methods.updateProperties, said);
    this.#send(0, core.methods.getRegistry, write.struct(write.int(registryVersion), write.int(registryId)));
  }

  #consumer(): Consumer {
    const stream = this.#stream;
    return {
      consume: (buffer, start, end) => {
        try {
          return stream.consume(buffer, start, end);
        } catch (error) {
          this.#end(error);
          return end;
        }
      },
      get need() {
        return stream.need;
      },
      descriptors: stream.descriptors,
      drained: () => undefined,
      ended: () => this.#end(new DowelError("BUS_UNREACHABLE", "PipeWire has ended the connection")),
    };
  }

  #hear(message: Message): Verdict {
    if (message.id === registryId) this.globals.hear(message);
    if (message.id !== 0) return new Uint8Array();
    const values = valuesOf(message);
    if (message.opcode === core.events.info) {
      values.skip();
      this.globals.cookie = values.int();
    } else if (message.opcode === core.events.ping) {
      this.#send(0, core.methods.pong, write.struct(write.int(values.int()), write.int(values.int())));
    } else if (message.opcode === core.events.done) {
      values.skip();
      this.#answer(values.int(), undefined);
    } else if (message.opcode === core.events.error) {
      const [id, serial] = [values.int(), values.int()];
      values.skip();
      // What fails besides is asked for nowhere.
      if (id === this.#contextId) this.#refusals.set(serial, values.text());
    }
    return new Uint8Array();
  }

  #answer(serial: number, error: unknown): void {
    const question = this.#questions.get(serial);
    if (question === undefined || !this.#questions.delete(serial)) return;
    if (error === undefined) question.done();
    else question.failed(error);
    this.#loop.yield();
  }

  #fail(error: unknown): void {
    for (const serial of [...this.#questions.keys()]) this.#answer(serial, error);
  }

  #send(id: number, opcode: number, values: Uint8Array, descriptors: readonly number[] = []): void {
    const bytes = encodeMessage(id, opcode, this.#serial++, values, new Uint8Array(), descriptors.length);
    const buffer = new FixedBuffer(bytes.length);
    buffer.bytes.set(bytes);
    this.#endpoint.send(buffer, 0, bytes.length, descriptors);
  }

  /** Waits until everything has been told that is so now. Throws `BUS_UNREACHABLE`. */
  async sync(): Promise<void> {
    if (this.#closed) throw new DowelError("BUS_UNREACHABLE", "There is no connection to PipeWire");
    const serial = this.#serial;
    const answered = new Promise<void>((done, failed) => this.#questions.set(serial, { done, failed }));
    this.#send(0, core.methods.sync, write.struct(write.int(0), write.int(serial)));
    await answered;
  }

  /**
   * Lets PipeWire accept connections at a listening socket, all of which get properties that they cannot change, until
   * the other end of a pipe closes (security contexts, PipeWire 1.2). False where PipeWire has none. Throws
   * `BUS_UNREACHABLE`.
   */
  async confine(listener: number, closing: number, properties: ReadonlyMap<string, string>): Promise<boolean> {
    await this.sync();
    this.#contextId ??= this.#bindContext();
    if (this.#contextId === undefined) return false;
    const values = [write.descriptor(0), write.descriptor(1), write.struct(write.dictionary(properties))];
    const serial = this.#serial;
    const given = [duplicateDescriptor(listener), duplicateDescriptor(closing)];
    this.#send(this.#contextId, securityContext.methods.create, write.struct(...values), given);
    await this.sync();
    const refusal = this.#refusals.get(serial);
    this.#refusals.delete(serial);
    if (refusal !== undefined) throw new DowelError("BUS_UNREACHABLE", `PipeWire refuses a context: ${refusal}`);
    return true;
  }

  #bindContext(): number | undefined {
    const found = this.globals.find("SecurityContext");
    if (found === undefined) return undefined;
    return this.#bind(found.id, "SecurityContext");
  }

  #bind(global: number, type: string): number {
    const id = this.#nextId++;
    const words = [write.int(global), write.text(`${interfacePrefix}${type}`), write.int(3), write.int(id)];
    this.#send(registryId, registry.methods.bind, write.struct(...words));
    return id;
  }

  /** Has nodes take other memory than before; who else uses them goes on with that. */
  suspend(nodes: readonly number[]): void {
    for (const number of nodes) {
      const id = this.#bind(number, "Node");
      this.#send(id, node.methods.sendCommand, write.struct(suspend));
      this.#send(0, core.methods.destroy, write.struct(write.int(id)));
    }
  }

  #end(error: unknown): void {
    if (this.#closed) return;
    this.#close(error);
    this.#ended();
  }

  #close(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endpoint[Symbol.dispose]();
    this.#stream[Symbol.dispose]();
    this.#fail(error);
  }

  [Symbol.dispose](): void {
    this.#close(new DowelError("BUS_UNREACHABLE", "The connection to PipeWire was closed"));
  }
}
