// SPDX-License-Identifier: Apache-2.0
import { BodyReader } from "../../formats/dbus/body.ts";
import { type MessageHeader, messageFlag, messageType } from "../../formats/dbus/header.ts";
import { canonicalMatchRule, parseMatchRule } from "../../formats/dbus/matchrule.ts";
import {
  type Answer,
  answers,
  encodeAnswer,
  encodeBusCall,
  encodeNames,
  encodePing,
  isAnswer,
  ownerRule,
} from "./answers.ts";
import { CallsToBus, CallsToClient, type Expected, plain } from "./calls.ts";
import { decideBusCall, firstText, hidden, type OwnRules } from "./driver.ts";
import { type LocalNames, localUnique } from "./local.ts";
import { busName, Peers } from "./peers.ts";
import { type BusPolicy, level } from "./policy.ts";

/**
 * What becomes of a message: it passes, is dropped, is replaced by `BusFilter.replacement`, must be here as a whole before
 * this can be said, must wait until `BusFilter.settled`, or is for the gateway itself.
 */
export type Decision = "pass" | "drop" | "replace" | "whole" | "wait" | "take";

const nothing: readonly Uint8Array[] = [];

export interface FilterOptions {
  readonly policy: BusPolicy;
  /** Tells of unique names that come and go, which the accessibility bus needs. */
  readonly sloppyNames: boolean;
  /** Names that the gateway answers for in place of the bus. */
  readonly local?: LocalNames | undefined;
  /** Where the serials of the gateway's own calls start. */
  readonly firstSerial: number;
  /** Told of each call that is answered here with an error or `false`, or dropped. */
  readonly denied?: (header: MessageHeader, answer: Answer) => void;
}

/**
 * The filter between one client and its own connection to the bus; messages in, decisions out, no I/O. A message is what
 * its type says: a reply serial in a call or a signal means nothing.
 */
export class BusFilter {
  readonly #options: FilterOptions;
  readonly #peers: Peers;
  readonly #toBus: CallsToBus;
  readonly #toClient = new CallsToClient();
  readonly #ownRules: OwnRules = new Map();
  #greeted = false;
  /** Names and namespaces (`NAME.*`) of the policy whose owners are asked for. */
  readonly #followed = new Set<string>();
  #questions = 0;
  replacement: Uint8Array = new Uint8Array();
  /** What the client's last message, a call or a signal, was not let through for; undefined where it was. */
  refusal: Answer | undefined;
  /** The name that the message just taken needs somebody's consent for; "" where it is for the gateway itself. */
  asked = "";
  #injected: Uint8Array[] = [];

  constructor(options: FilterOptions) {
    this.#options = options;
    this.#peers = new Peers(options.policy);
    this.#toBus = new CallsToBus(options.firstSerial);
  }

  /** Whether the owners of all names that matter are known. */
  get settled(): boolean {
    if (this.#options.local !== undefined && this.#greeted && this.#peers.own === "") return false;
    return this.#questions === 0;
  }

  /** The unique name that the client believes to have a name. */
  ownerOf(name: string): string {
    return this.#peers.ownerOf(name) ?? localUnique;
  }

  /** The client's unique name; "" before the bus has given one. */
  get clientName(): string {
    return this.#peers.own;
  }

  /** Calls of the gateway's own, to go to the bus behind the message that goes there now. */
  takeInjected(): readonly Uint8Array[] {
    if (this.#injected.length === 0) return nothing;
    const taken = this.#injected;
    this.#injected = [];
    return taken;
  }

  fromClient(header: MessageHeader, bytes: Uint8Array, start: number, complete: boolean): Decision {
    this.refusal = undefined;
    switch (header.type) {
      case messageType.call:
        return this.#callFromClient(header, bytes, start, complete);
      case messageType.signal:
        return this.#signalFromClient(header);
      default:
        return this.#toClient.take(header.destination, header.replySerial) ? "pass" : "drop";
    }
  }

  /** What becomes of a message that was taken because of `asked`, when the answer is no. */
  refuse(header: MessageHeader, text: string): Decision {
    return this.#refuse(header, { kind: "error", name: answers.accessDenied.name, text });
  }

  #signalFromClient(header: MessageHeader): Decision {
    if (header.destination === "") return "pass";
    if (!this.settled) return "wait";
    if (this.#peers.allowsCall(header.destination, header)) return "pass";
    this.refusal = this.#refusalOf(header);
    this.#options.denied?.(header, answers.accessDenied);
    return "drop";
  }

  #callFromClient(header: MessageHeader, bytes: Uint8Array, start: number, complete: boolean): Decision {
    const { destination, serial } = header;
    const expected = this.#decideCall(header, bytes, start, complete);
    if (typeof expected === "string") return expected;
    if (isAnswer(expected)) return this.#refuse(header, expected);
    if ((header.flags & messageFlag.noReplyExpected) === 0) this.#toBus.add(serial, expected);
    if (destination === busName && header.member === "Hello") this.#greet();
    return "pass";
  }

  #decideCall(
    header: MessageHeader,
    bytes: Uint8Array,
    start: number,
    complete: boolean,
  ): Expected | Answer | "whole" | "wait" | "take" {
    const { destination } = header;
    const { local } = this.#options;
    this.asked = "";
    if (this.#options.policy.asks(destination)) return this.#mustAsk(destination, complete);
    if (destination === busName || destination === "") {
      if (!complete) return "whole";
      if (!this.settled) return "wait";
      const started = header.member === "StartServiceByName" ? firstText(bytes, start, header) : undefined;
      if (started !== undefined && this.#options.policy.asks(started)) return this.#mustAsk(started, complete);
      return decideBusCall(header, bytes, start, this.#peers, this.#ownRules, local);
    }
    const unique = destination.startsWith(":");
    if (local !== undefined && this.#peers.allowsCall(destination, header)) {
      const own = local.serves(destination) || this.#takesShared(local, header, bytes, start, complete);
      if (own !== false && !complete) return "whole";
      if (own !== false) return this.settled ? "take" : "wait";
    }
    if (unique && !this.settled) return "wait";
    if (this.#peers.allowsCall(destination, header)) return unique ? { kind: "from", peer: destination } : plain;
    return this.#refusalOf(header);
  }

  /** What the sender learns of a peer that it may not talk to. */
  #refusalOf(header: MessageHeader): Answer {
    return this.#peers.levelOf(header.destination) >= level.see ? answers.accessDenied : hidden(header);
  }

  #takesShared(
    local: LocalNames,
    header: MessageHeader,
    bytes: Uint8Array,
    start: number,
    complete: boolean,
  ): boolean | undefined {
    const { destination } = header;
    const name = local.shared.find((one) => one === destination || this.#peers.ownerOf(one) === destination);
    return name !== undefined && local.takes(name, header, bytes, start, complete);
  }

  #mustAsk(name: string, complete: boolean): "whole" | "wait" | "take" {
    if (!complete) return "whole";
    if (!this.settled) return "wait";
    this.asked = name;
    return "take";
  }

  #refuse(header: MessageHeader, answer: Answer): Decision {
    this.refusal = answer;
    if (answer.kind !== "empty" && answer.kind !== "values") this.#options.denied?.(header, answer);
    if ((header.flags & messageFlag.noReplyExpected) !== 0) return "drop";
    this.#toBus.add(header.serial, { kind: "answer", answer });
    this.replacement = encodePing(header.serial);
    return "replace";
  }

  /** Behind the client's Hello go the questions who owns what, and the rules that tell of changes. */
  #greet(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    for (const name of this.#options.local?.names ?? []) this.#peers.setOwner(name, "", localUnique);
    this.policyChanged();
  }

  /** Asks for the owners of names that are new in the policy; what it asks is to go to the bus. */
  policyChanged(): void {
    if (!this.#greeted) return;
    const { exactNames, namespaces } = this.#options.policy;
    for (const name of exactNames) {
      if (!this.#followsNow(name)) continue;
      this.#watch("arg0", name);
      if (this.#options.local?.serves(name) !== true) this.#ask(name);
    }
    const fresh = namespaces.filter((name) => this.#followsNow(`${name}.*`));
    for (const name of fresh) this.#watch("arg0namespace", name);
    if (fresh.length === 0) return;
    this.#questions++;
    this.#injected.push(encodeBusCall(this.#toBus.addOwn({ kind: "owners" }), "ListNames"));
  }

  /** Whether a name was not followed before. */
  #followsNow(name: string): boolean {
    if (this.#followed.has(name)) return false;
    this.#followed.add(name);
    return true;
  }

  #watch(key: "arg0" | "arg0namespace", name: string): void {
    const rule = ownerRule(key, name);
    this.#ownRules.set(canonicalMatchRule(parseMatchRule(rule)), 0);
    this.#injected.push(encodeBusCall(this.#toBus.freeSerial(), "AddMatch", rule, messageFlag.noReplyExpected));
  }

  #ask(name: string): void {
    this.#questions++;
    this.#injected.push(encodeBusCall(this.#toBus.addOwn({ kind: "owner", name }), "GetNameOwner", name));
  }

  fromBus(header: MessageHeader, bytes: Uint8Array, start: number, complete: boolean): Decision {
    if (this.#peers.own === "" && header.destination.startsWith(":")) this.#peers.own = header.destination;
    switch (header.type) {
      case messageType.call:
        if ((header.flags & messageFlag.noReplyExpected) === 0) this.#toClient.add(header.sender, header.serial);
        return this.#shown(header);
      case messageType.signal:
        return this.#signalFromBus(header, bytes, start, complete);
      default:
        // Replies with values to look at are few and come from the bus; a whole one is taken.
        return header.sender === busName && !complete ? "whole" : this.#replyFromBus(header, bytes, start);
    }
  }

  #shown(header: MessageHeader): Decision {
    if (header.sender.startsWith(":")) this.#peers.show(header.sender);
    return "pass";
  }

  #signalFromBus(header: MessageHeader, bytes: Uint8Array, start: number, complete: boolean): Decision {
    if (header.destination !== "") return this.#shown(header);
    if (header.sender !== busName) {
      return this.#peers.allowsBroadcast(header.sender, header) ? this.#shown(header) : "drop";
    }
    if (header.member !== "NameOwnerChanged" || header.interface !== busName) return "pass";
    if (!complete) return "whole";
    const body = new BodyReader(bytes, start, header);
    const [name, before, now] = [body.string(), body.string(), body.string()];
    return this.#ownerChanged(name, before, now) ? "pass" : "drop";
  }

  /** Whether the client may know. */
  #ownerChanged(name: string, before: string, now: string): boolean {
    if (name.startsWith(":")) {
      const known = this.#options.sloppyNames || this.#peers.levelOf(name) >= level.see;
      if (now === "") this.#peers.forget(name);
      return known;
    }
    if (this.#options.policy.levelOf(name) < level.see || this.#options.local?.serves(name) === true) return false;
    this.#peers.setOwner(name, before, now);
    return true;
  }

  #replyFromBus(header: MessageHeader, bytes: Uint8Array, start: number): Decision {
    const expected = this.#toBus.take(header.replySerial, header.sender, busName);
    switch (expected?.kind) {
      case undefined:
        return "drop";
      case "names":
        return header.type === messageType.error ? "pass" : this.#filterNames(header, bytes, start);
      case "answer":
        this.replacement = encodeAnswer(expected.answer, header);
        return "replace";
      case "owner":
        return this.#learnOwner(expected.name, header, bytes, start);
      case "owners":
        return this.#learnOwners(header, bytes, start);
      default:
        return this.#shown(header);
    }
  }

  #filterNames(header: MessageHeader, bytes: Uint8Array, start: number): Decision {
    const all = new BodyReader(bytes, start, header).strings();
    const { local } = this.#options;
    const visible = [...new Set([...all, ...(local?.names ?? [])])].filter(
      (name) => this.#peers.levelOf(name) >= level.see,
    );
    this.replacement = encodeNames(visible, header);
    return "replace";
  }

  #learnOwner(name: string, header: MessageHeader, bytes: Uint8Array, start: number): Decision {
    this.#questions--;
    if (header.type === messageType.return) {
      this.#peers.setOwner(name, "", new BodyReader(bytes, start, header).string());
    }
    return "drop";
  }

  #learnOwners(header: MessageHeader, bytes: Uint8Array, start: number): Decision {
    this.#questions--;
    if (header.type !== messageType.return) return "drop";
    const { policy } = this.#options;
    const exact = new Set([...policy.exactNames, ...(this.#options.local?.names ?? [])]);
    for (const name of new BodyReader(bytes, start, header).strings()) {
      if (!name.startsWith(":") && !exact.has(name) && policy.levelOf(name) >= level.see) this.#ask(name);
    }
    return "drop";
  }
}
