// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { write } from "../../formats/pod/write.ts";
import { type ClientName, readGlobal } from "./globals.ts";
import * as protocol from "./message.ts";
import { generationOf, type Message, valuesOf } from "./message.ts";
import { HeldObjects, type Kind } from "./objects.ts";
import { clientProperties, streamProperties, targetKeys } from "./properties.ts";
import type { Verdict } from "./stream.ts";
import { clientNodeUpdate } from "./update.ts";
import { classOf, type Granted, type Seen, type Source, shows, type View } from "./view.ts";

/** What a message that waits must know. */
export interface Facts {
  readonly granted: Granted;
  /** What a stream may name as the place where its sound goes. */
  readonly sinks: ReadonlySet<string>;
  /** What has come in by links to the client's nodes; undefined where nobody knows. */
  readonly heard: readonly Source[] | undefined;
}

/** How objects are held that a client binds, by their interface; of others it can only read what comes by itself. */
const kinds: Readonly<Record<string, Kind>> = { Node: "node", Port: "port", Client: "client", Core: "core" };
/** Objects of older versions have other numbers for their methods and events. Throws `SOUND_PROTOCOL`. */
function checkVersion(version: number): void {
  if (version < 3) throw new DowelError("SOUND_PROTOCOL", `A client wants version ${version} of an interface`);
}

const anyone: Facts = { granted: new Set(), sinks: new Set(), heard: undefined };

/**
 * Judges both directions of one connection to PipeWire, as protocol 3 has it. A client makes streams, and sees what its
 * view shows; whatever else it calls is refused. Before memory goes to a client that has inputs, all links to its
 * nodes are looked at. What it is to know it asks for by `wait`, and is told by `learn`.
 */
export class PipewireFilter {
  readonly #view: View;
  readonly #denied: () => void;
  readonly #objects = new HeldObjects();
  readonly #refused = new Map<number, string>();
  readonly #refusals: Uint8Array[] = [];
  #greeted = false;
  #hasInputs = false;
  /** The newest state of the registry that the client was told of, and that it said it knows. */
  #generation = 0n;
  #known = 0n;
  #cookie: number | undefined;
  #facts = anyone;
  /** For whose waiting message the facts are. */
  #answered = { client: false, server: false };

  /** @param denied told of each thing that the client may not do */
  constructor(view: View, denied: () => void) {
    this.#view = view;
    this.#denied = denied;
  }

  /** Tells what a message waits for; it is to be shown again then. */
  learn(direction: "client" | "server", facts: Facts): void {
    this.#facts = facts;
    this.#answered[direction] = true;
  }

  get clientName(): ClientName {
    return { number: this.#objects.ownClient, cookie: this.#cookie };
  }

  /** Events for the client that say what it may not, for the next border of messages. */
  takeRefusals(): readonly Uint8Array[] {
    return this.#refusals.splice(0);
  }

  #refuse(message: Message, id: number, reason: string): Uint8Array {
    this.#denied();
    this.#refusals.push(protocol.refusal(id, message.serial, reason));
    return protocol.emptyMethod(message);
  }

  #settled(direction: "client" | "server"): boolean {
    const answered = this.#answered[direction];
    this.#answered[direction] = false;
    return answered;
  }

  /** What becomes of a method. Throws `SOUND_PROTOCOL`. */
  fromClient(message: Message): Verdict {
    if (!this.#greeted) return this.#hello(message);
    const generation = generationOf(message);
    if (generation !== undefined && generation > this.#generation)
      throw new DowelError("SOUND_PROTOCOL", "A client says that it knows what it was not told");
    if (generation !== undefined && generation > this.#known) this.#known = generation;
    const object = this.#objects.get(message.id);
    const { opcode } = message;
    const { methods } = protocol.clientNode;
    if (message.descriptors > 0 && (object?.kind !== "clientNode" || opcode !== methods.portBuffers))
      throw new DowelError("SOUND_PROTOCOL", "A client sends descriptors that nobody needs");
    switch (object?.kind) {
      case "core":
        return this.#callCore(message);
      case "client":
        return this.#callClient(message);
      case "registry":
        return this.#callRegistry(message);
      case "node":
      case "port":
        if (opcode === protocol.node.methods.subscribe || opcode === protocol.node.methods.enumerate) return "pass";
        if (object.own && opcode <= protocol.node.methods.sendCommand) return "pass";
        return this.#refuse(message, message.id, "an app changes only its own streams");
      case "clientNode":
        return this.#callClientNode(message, object.mediaClass);
      case "readOnly":
        return this.#refuse(message, message.id, "an app changes no settings");
      default:
        // It was refused, or is gone already.
        return protocol.emptyMethod(message);
    }
  }

  /** Older protocols have other headers: they would read as a greeting with descriptors. */
  #hello(message: Message): Verdict {
    const isHello = message.id === 0 && message.opcode === protocol.core.methods.hello && message.descriptors === 0;
    if (!isHello || valuesOf(message).int() < 3) throw new DowelError("SOUND_PROTOCOL", "A client does not greet");
    this.#greeted = true;
    return "pass";
  }

  #callCore(message: Message): Verdict {
    const { methods } = protocol.core;
    switch (message.opcode) {
      case methods.sync:
      case methods.pong:
      case methods.error:
      case methods.destroy:
        return "pass";
      case methods.getRegistry: {
        if (!this.#settled("client")) return "wait";
        const values = valuesOf(message);
        checkVersion(values.int());
        this.#objects.add(values.int(), "registry", true);
        return "pass";
      }
      case methods.createObject:
        return this.#create(message);
      default:
        throw new DowelError("SOUND_PROTOCOL", `A client calls the method ${message.opcode} of PipeWire itself`);
    }
  }

  /** A client makes streams, and nothing else: no links, no devices, no settings. */
  #create(message: Message): Verdict {
    const values = valuesOf(message);
    const [factory, type, version] = [values.text(), values.text(), values.int()];
    const properties = values.optionalStruct()?.dictionary() ?? new Map<string, string>();
    const id = values.int();
    checkVersion(version);
    const needs =
      factory === "client-node" && type === `${protocol.interfacePrefix}ClientNode`
        ? this.#view.needs(properties)
        : undefined;
    const asks = needs !== undefined && (needs.length > 0 || targetKeys.some((key) => properties.has(key)));
    if (asks && !this.#settled("client")) return "wait";
    if (needs === undefined)
      return this.#createNothing(message, id, `an app makes no ${classOf(properties) || factory}`);
    const isHeard = needs.length > 0;
    if (isHeard && !needs.some((source) => this.#facts.granted.has(source)))
      return this.#createNothing(message, id, `an app needs leave for ${needs.join(" or ")}`);
    const mediaClass = classOf(properties);
    this.#objects.add(id, "clientNode", true, mediaClass);
    const kept = streamProperties(properties, mediaClass, isHeard ? undefined : this.#facts.sinks);
    const parts = [write.text(factory), write.text(type), write.int(version), write.struct(write.dictionary(kept))];
    return protocol.inPlaceOf(message, write.struct(...parts, write.int(id)));
  }

  /** PipeWire must hear of every number that a client gives, so it is asked for what it cannot make. */
  #createNothing(message: Message, id: number, reason: string): Verdict {
    this.#objects.add(id, "nothing", false);
    this.#refused.set(id, reason);
    return protocol.noFactory(message);
  }

  #callClient(message: Message): Verdict {
    const { methods } = protocol.client;
    if (message.opcode === methods.getPermissions) return "pass";
    if (message.opcode !== methods.updateProperties)
      return this.#refuse(message, message.id, "an app gives no permissions");
    const said = valuesOf(message).struct().dictionary();
    return protocol.inPlaceOf(message, write.struct(write.struct(write.dictionary(clientProperties(said)))));
  }

  #callRegistry(message: Message): Verdict {
    if (message.opcode !== protocol.registry.methods.bind)
      return this.#refuse(message, message.id, "an app removes nothing of others");
    const values = valuesOf(message);
    const [global, type, version, id] = [values.int(), values.text(), values.int(), values.int()];
    checkVersion(version);
    const seen = this.#objects.get(message.id)?.shown.get(global);
    if (seen === undefined || type !== `${protocol.interfacePrefix}${seen.global.type}`) {
      this.#objects.add(id, "nothing", false);
      this.#refused.set(id, `an app has no ${type.replace(protocol.interfacePrefix, "")} ${global}`);
      return protocol.noObject(message);
    }
    this.#objects.add(id, kinds[seen.global.type] ?? "readOnly", seen.own);
    // Who never says what they know would get whatever has the number by now.
    const isSilent = this.#known === 0n && this.#generation > 0n;
    return isSilent ? protocol.withGeneration(message, this.#generation) : "pass";
  }

  #callClientNode(message: Message, mediaClass: string): Verdict {
    const { methods } = protocol.clientNode;
    switch (message.opcode) {
      case methods.getNode: {
        const values = valuesOf(message);
        values.skip();
        this.#objects.add(values.int(), "node", true);
        return "pass";
      }
      case methods.update:
        return clientNodeUpdate(message, (said) => streamProperties(said, mediaClass, new Set())) ?? "pass";
      case methods.portUpdate:
        if (valuesOf(message).int() === protocol.input) this.#hasInputs = true;
        return "pass";
      case methods.setActive:
      case methods.event:
      case methods.portBuffers:
        return "pass";
      default:
        return this.#refuse(message, message.id, "an app's stream has no such method");
    }
  }

  /** What becomes of an event. Throws `SOUND_PROTOCOL`, also where the client would get what it may not. */
  fromServer(message: Message): Verdict {
    const generation = generationOf(message);
    const verdict = this.#judgeEvent(message);
    if (verdict !== "wait" && generation !== undefined && generation > this.#generation) this.#generation = generation;
    return verdict;
  }

  #judgeEvent(message: Message): Verdict {
    if (message.id === 0) return this.#hearCore(message);
    const object = this.#objects.get(message.id);
    if (object?.kind === "registry") return this.#hearRegistry(message, object.shown);
    const isBuffers = message.opcode === protocol.clientNode.events.portUseBuffers;
    if (object?.kind === "clientNode" && isBuffers && valuesOf(message).int() === protocol.input) {
      if (!this.#hasInputs) throw new DowelError("SOUND_PROTOCOL", "PipeWire fills an input that a client has not");
      return this.#guard();
    }
    return "pass";
  }

  #hearCore(message: Message): Verdict {
    const { events } = protocol.core;
    switch (message.opcode) {
      case events.info: {
        const values = valuesOf(message);
        values.skip();
        this.#cookie = values.int();
        return "pass";
      }
      case events.addMemory:
        return this.#hasInputs ? this.#guard() : "pass";
      case events.removeId: {
        const id = valuesOf(message).int();
        this.#objects.remove(id);
        this.#refused.delete(id);
        return "pass";
      }
      case events.boundId:
      case events.boundProperties: {
        const values = valuesOf(message);
        const object = this.#objects.get(values.int());
        if (object !== undefined) object.global = values.int();
        return "pass";
      }
      case events.error: {
        const id = valuesOf(message).int();
        const reason = this.#refused.get(id);
        if (reason === undefined) return "pass";
        this.#refused.delete(id);
        this.#denied();
        return protocol.refusalInPlaceOf(message, reason);
      }
      default:
        return "pass";
    }
  }

  /** Memory of others' sound is about to come: everything that is linked must be allowed. */
  #guard(): Verdict {
    if (!this.#settled("server")) return "wait";
    const { heard, granted } = this.#facts;
    const forbidden = heard === undefined ? "source" : heard.find((source) => !granted.has(source));
    if (forbidden === undefined) return "pass";
    throw new DowelError("SOUND_PROTOCOL", `A stream has got a ${forbidden} that it may not hear`);
  }

  #hearRegistry(message: Message, shown: Map<number, Seen>): Verdict {
    const { events } = protocol.registry;
    if (message.opcode === events.globalRemove)
      return shown.delete(valuesOf(message).int()) ? "pass" : protocol.emptyEvent(message);
    if (message.opcode !== events.global) return "pass";
    const global = readGlobal(message);
    const seen = shows(this.#view, global, this.#facts.granted, this.#objects.ownClient, shown);
    if (seen === undefined) return protocol.emptyEvent(message);
    shown.set(global.id, seen);
    return "pass";
  }
}
