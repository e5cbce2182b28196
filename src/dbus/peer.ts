// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, DowelError } from "../base/errors.ts";
import type { BusSocket } from "../formats/dbus/address.ts";
import { messageFlag, messageType } from "../formats/dbus/header.ts";
import { type ValuesOf, type Variant, valueAs } from "../formats/dbus/types.ts";
import type { EventLoop } from "../loop/loop.ts";
import { closeDescriptors } from "../sys/transfer.ts";
import { connectBus } from "./connect.ts";
import { BusCallError, busErrors } from "./errors.ts";
import { type Caller, type InterfaceShape, signatureOf } from "./interface.ts";
import type { Message } from "./message.ts";
import { answerableError, ObjectTree, propertiesShape } from "./objects.ts";
import { Pending } from "./pending.ts";
import { type Rule, Rules, ruleText, type SignalHandler } from "./rules.ts";
import { Wire } from "./wire.ts";

const busName = "org.freedesktop.DBus";
const busPath = "/org/freedesktop/DBus";

/** A call. A value that is not of its type throws a `TypeError`. */
export interface OutgoingCall<O extends string> {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly values?: readonly unknown[];
  /** The signature that the answer must have; "" where it is left out. */
  readonly returns?: O;
}

export interface CallOptions {
  /** 25 seconds where it is left out, as with libdbus; Infinity where a person is asked. */
  readonly timeoutMilliseconds?: number;
  readonly signal?: AbortSignal | undefined;
  /** Descriptors of the answer belong to the caller; else they are closed. */
  readonly keepDescriptors?: boolean;
  /** Does not start a service that does not run. */
  readonly noAutoStart?: boolean;
  /** Whoever answers may have a person asked for a password first. */
  readonly interactive?: boolean;
}

const defaultTimeout = 25_000;

/** What a name's request came to. */
export type NameOutcome = "owner" | "queued" | "taken" | "already";
const nameOutcomes: readonly NameOutcome[] = ["owner", "queued", "taken", "already"];

export interface NameOptions {
  readonly allowReplacement?: boolean;
  readonly replace?: boolean;
  /** Waits in line where another has the name; else the answer is `taken`. */
  readonly queue?: boolean;
  /** Called when the name is lost to another, or with the connection. */
  readonly lost?: () => void;
}

export interface PeerEvents {
  /** The connection has ended; all calls have failed by then. */
  readonly ended?: (reason: unknown) => void;
  /** A method threw something that is not for the caller. */
  readonly failed?: (error: unknown) => void;
}

/** A peer on a bus: calls, signals, names, and objects that others call. */
export class BusPeer implements Disposable {
  readonly objects = new ObjectTree();
  readonly #loop: EventLoop;
  readonly #wire: Wire;
  readonly #events: PeerEvents;
  readonly #pending: Pending;
  readonly #rules: Rules;
  readonly #lost = new Map<string, () => void>();
  readonly #ended = new AbortController();
  /** The unique name. */
  name = "";

  /** Owns the descriptor of a connection on which nothing was said yet. */
  private constructor(loop: EventLoop, fd: number, events: PeerEvents) {
    this.#loop = loop;
    this.#events = events;
    this.#pending = new Pending(loop);
    this.#rules = new Rules(this);
    this.#wire = new Wire(loop, fd, {
      message: (message) => this.#take(message),
      ended: (reason) => this.#end(reason),
    });
  }

  /** Connects and says Hello. Throws `BUS_UNREACHABLE` or `BUS_CALL_FAILED`. */
  static async connect(
    loop: EventLoop,
    sockets: readonly BusSocket[],
    events: PeerEvents = {},
    signal?: AbortSignal,
  ): Promise<BusPeer> {
    const peer = new BusPeer(loop, connectBus(sockets), events);
    try {
      const [name] = await peer.callBus("Hello", { returns: "s" }, { signal });
      peer.name = name;
      return peer;
    } catch (error) {
      peer[Symbol.dispose]();
      throw error;
    }
  }

  /** Fires when the connection has ended. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Calls a method. Throws a `BusCallError` with the name of the error that came; `NoReply` when the time is over,
   * `Disconnected` with the connection, and `ABORTED` when the signal fires.
   */
  call<const O extends string = "">(call: OutgoingCall<O>, options: CallOptions = {}): Promise<ValuesOf<O>> {
    return this.#call(call, options) as Promise<unknown> as Promise<ValuesOf<O>>;
  }

  async #call(call: OutgoingCall<string>, options: CallOptions): Promise<readonly unknown[]> {
    const { destination, path, interface: name, member, signature = "", values = [], returns = "" } = call;
    const { timeoutMilliseconds = defaultTimeout, signal, keepDescriptors = false } = options;
    checkCancelled(signal);
    if (this.#ended.signal.aborted) throw new BusCallError(busErrors.disconnected, `No bus to call ${member} on`);
    const flags =
      (options.noAutoStart === true ? messageFlag.noAutoStart : 0) |
      (options.interactive === true ? messageFlag.allowInteraction : 0);
    const fields = { type: messageType.call, flags, destination, path, interface: name, member };
    const serial = this.#wire.send(fields, signature, values);
    const answer = await this.#pending.wait(serial, `${destination} ${member}`, timeoutMilliseconds, signal);
    if (!keepDescriptors) closeDescriptors(answer.descriptors);
    if (answer.type === messageType.error) throw errorOf(answer);
    if (answer.signature === returns && answer.values !== undefined) return answer.values;
    if (keepDescriptors) closeDescriptors(answer.descriptors);
    throw new BusCallError(
      busErrors.failed,
      `${member} of ${destination} answers '${answer.signature}', not '${returns}'`,
    );
  }

  /** Calls a method of the bus itself. */
  callBus<const O extends string = "">(
    member: string,
    call: Pick<OutgoingCall<O>, "signature" | "values" | "returns"> = {},
    options: CallOptions = {},
  ): Promise<ValuesOf<O>> {
    return this.call({ destination: busName, path: busPath, interface: busName, member, ...call }, options);
  }

  /** Sends a signal of an interface, to everybody or to one peer. */
  emit(path: string, shape: InterfaceShape, member: string, values: readonly unknown[], destination?: string): void {
    const to = destination === undefined ? {} : { destination };
    const fields = { type: messageType.signal, path, interface: shape.name, member, ...to };
    this.#wire.send(fields, signatureOf(shape.signals?.[member] ?? ""), values);
  }

  /** Tells everybody the new values of properties. */
  emitChanged(path: string, shape: InterfaceShape, changed: Readonly<Record<string, unknown>>): void {
    const values = new Map<string, Variant>(
      Object.entries(changed).map(([name, value]) => [name, { signature: shape.properties?.[name] ?? "", value }]),
    );
    this.emit(path, propertiesShape, "PropertiesChanged", [shape.name, values, []]);
  }

  /** Asks for a well-known name. */
  async requestName(name: string, options: NameOptions = {}): Promise<NameOutcome> {
    const { allowReplacement = false, replace = false, queue = false, lost } = options;
    const flags = (allowReplacement ? 1 : 0) | (replace ? 2 : 0) | (queue ? 0 : 4);
    if (lost !== undefined) this.#lost.set(name, lost);
    const [code] = await this.callBus("RequestName", { signature: "su", values: [name, flags], returns: "u" });
    const outcome = nameOutcomes[code - 1] ?? "taken";
    if (outcome === "taken") this.#lost.delete(name);
    return outcome;
  }

  async releaseName(name: string): Promise<void> {
    this.#lost.delete(name);
    await this.callBus("ReleaseName", { signature: "s", values: [name], returns: "u" });
  }

  /** Calls a function for each signal that fits, until disposed of. A well-known sender is followed to its owners. */
  async listen(rule: Rule, handler: SignalHandler): Promise<Disposable> {
    return await this.#rules.add(rule, handler);
  }

  /** Who has a name now; "" for nobody. */
  async ownerOf(name: string): Promise<string> {
    try {
      return (await this.callBus("GetNameOwner", { signature: "s", values: [name], returns: "s" }))[0];
    } catch (error) {
      if (error instanceof BusCallError && error.errorName.endsWith(".NameHasNoOwner")) return "";
      throw error;
    }
  }

  /** Calls a function with the owner of a name whenever that changes; "" for nobody. */
  async watchOwner(name: string, changed: (owner: string) => void): Promise<Disposable> {
    const rule: Rule = { sender: busName, interface: busName, member: "NameOwnerChanged", path: busPath, arg0: name };
    return await this.listen(rule, ({ values }) => changed(String(values?.[2] ?? "")));
  }

  /** What the bus knows of a peer's process, which is the one that connected. */
  async credentialsOf(name: string): Promise<{ readonly uid: number; readonly pid: number }> {
    const [found] = await this.callBus("GetConnectionCredentials", {
      signature: "s",
      values: [name],
      returns: "a{sv}",
    });
    const number = (key: string): number => {
      const value = valueAs("u", found.get(key));
      if (value !== undefined) return value;
      throw new BusCallError(busErrors.failed, `The bus does not tell ${key} of ${name}`);
    };
    return { uid: number("UnixUserID"), pid: number("ProcessID") };
  }

  /** A rule of the bus, or its end; used by `listen`. */
  async changeRule(member: "AddMatch" | "RemoveMatch", rule: Rule): Promise<void> {
    await this.callBus(member, { signature: "s", values: [ruleText(rule)] });
  }

  #take(message: Message): void {
    switch (message.type) {
      case messageType.call:
        void this.#answer(message);
        break;
      case messageType.signal:
        this.#heard(message);
        break;
      default:
        if (!this.#pending.settle(message)) closeDescriptors(message.descriptors);
    }
  }

  #heard(message: Message): void {
    if (message.sender === busName && message.interface === busName && message.member === "NameLost") {
      const name = String(message.values?.[0] ?? "");
      const lost = this.#lost.get(name);
      this.#lost.delete(name);
      lost?.();
    }
    this.#rules.heard(message);
    closeDescriptors(message.descriptors);
  }

  async #answer(message: Message): Promise<void> {
    const { sender, path, serial, flags } = message;
    const to = { destination: sender, replySerial: serial, flags: messageFlag.noReplyExpected };
    const silent = (flags & messageFlag.noReplyExpected) !== 0;
    const interactive = (flags & messageFlag.allowInteraction) !== 0;
    const call: Caller = { sender, path, interactive, signal: this.#ended.signal };
    try {
      const { signature, values } = await this.objects.answer(message, call);
      if (!silent) this.#wire.send({ type: messageType.return, ...to }, signature, values);
    } catch (error) {
      if (!(error instanceof DowelError)) this.#events.failed?.(error);
      const { errorName, message: text } = answerableError(error);
      if (!silent) this.#wire.send({ type: messageType.error, errorName, ...to }, "s", [text.replaceAll("\0", "")]);
    } finally {
      closeDescriptors(message.descriptors);
    }
  }

  #end(reason: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(reason);
    this.#pending.failAll();
    for (const lost of this.#lost.values()) lost();
    this.#lost.clear();
    this.#loop.yield();
    this.#events.ended?.(reason);
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#wire[Symbol.dispose]();
    this.#lost.clear();
    this.#ended.abort();
    this.#pending.failAll();
  }
}

function errorOf({ errorName, values, signature }: Message): BusCallError {
  const text = signature.startsWith("s") ? String(values?.[0] ?? "") : "";
  return new BusCallError(errorName, text === "" ? errorName : text);
}
