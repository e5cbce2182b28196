// SPDX-License-Identifier: Apache-2.0
import type { Dictionary } from "../../formats/pod/types.ts";
import { interfacePrefix, type Message, registry, valuesOf } from "./message.ts";
import { type Global, isCamera, isSink, type Source, sourceOf } from "./view.ts";

/** Reads the event that tells of something new. Throws `SOUND_PROTOCOL`. */
export function readGlobal(message: Message): Global {
  const values = valuesOf(message);
  const id = values.int();
  values.skip();
  const name = values.text();
  values.skip();
  const type = name.startsWith(interfacePrefix) ? name.slice(interfacePrefix.length) : "";
  return { id, type, properties: values.optionalStruct()?.dictionary() ?? new Map() };
}

/** A client as PipeWire told it who it is; undefined where it did not. */
export interface ClientName {
  readonly number: number | undefined;
  /** Which PipeWire it is. */
  readonly cookie: number | undefined;
}

const none: Dictionary = new Map();

/** All that there is in PipeWire, by its registry. */
export class Globals {
  /** Which PipeWire it is: a number that it made at its start. */
  cookie: number | undefined;
  readonly #known = new Map<number, Global>();
  /** What each client has heard. A link that goes at once may have brought memory nevertheless. */
  readonly #heard = new Map<number, Set<Source>>();
  /** The cameras that each client has seen, by their numbers. */
  readonly #cameras = new Map<number, Set<number>>();

  /** Takes an event of the registry. Throws `SOUND_PROTOCOL`. */
  hear(message: Message): void {
    const { events } = registry;
    if (message.opcode === events.globalRemove) this.#forget(valuesOf(message).int());
    if (message.opcode !== events.global) return;
    const global = readGlobal(message);
    this.#known.set(global.id, global);
    if (global.type !== "Link") return;
    const { client, source } = this.#heardBy(global) ?? {};
    if (client === undefined || source === undefined) return;
    this.#heard.set(client, (this.#heard.get(client) ?? new Set()).add(source));
    if (source !== "camera") return;
    const camera = Number(global.properties.get("link.output.node"));
    this.#cameras.set(client, (this.#cameras.get(client) ?? new Set()).add(camera));
  }

  #forget(id: number): void {
    this.#known.delete(id);
    this.#heard.delete(id);
    this.#cameras.delete(id);
  }

  has({ number, cookie }: ClientName): boolean {
    return number !== undefined && cookie === this.cookie && this.#known.get(number)?.type === "Client";
  }

  /** The cameras that a client has seen, which are there. */
  seenBy(client: ClientName): readonly number[] {
    const seen = this.has(client) ? [...(this.#cameras.get(client.number ?? -1) ?? [])] : [];
    return seen.filter((id) => isCamera(this.#known.get(id)?.properties ?? none));
  }

  /** The first thing with an interface. */
  find(type: string): Global | undefined {
    return [...this.#known.values()].find((global) => global.type === type);
  }

  #properties(id: string | undefined): Dictionary {
    return this.#known.get(Number(id ?? -1))?.properties ?? none;
  }

  *#ofType(type: string): Iterable<Global> {
    for (const global of this.#known.values()) if (global.type === type) yield global;
  }

  /** What comes in by a link, and the number of the client that it comes to; undefined for what is the client's own. */
  #heardBy({ properties }: Global): { readonly client: number; readonly source: Source } | undefined {
    const from = this.#properties(properties.get("link.output.node"));
    const client = this.#properties(properties.get("link.input.node")).get("client.id");
    if (client === undefined || from.get("client.id") === client) return undefined;
    return { client: Number(client), source: sourceOf(from, this.#properties(properties.get("link.output.port"))) };
  }

  /** What a client hears now, by all links to its nodes. */
  heardNow({ number }: ClientName): readonly Source[] {
    const heard = [...this.#ofType("Link")].map((link) => this.#heardBy(link));
    return heard.flatMap((one) => (one !== undefined && one.client === number ? [one.source] : []));
  }

  /** What a client has heard since it came, also by links that are gone; undefined for a client that is not there. */
  heardSince(client: ClientName): readonly Source[] | undefined {
    return this.has(client) ? [...(this.#heard.get(client.number ?? -1) ?? [])] : undefined;
  }

  /** By what names a stream can say that its sound is to go to a loudspeaker. */
  get sinks(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { id, properties } of this.#ofType("Node")) {
      if (!isSink(properties)) continue;
      for (const name of [String(id), properties.get("object.serial"), properties.get("node.name")]) {
        if (name !== undefined) names.add(name);
      }
    }
    return names;
  }

  /** Whether there is a node that this is true of. */
  hasNode(is: (properties: Dictionary) => boolean): boolean {
    return [...this.#ofType("Node")].some(({ properties }) => is(properties));
  }
}
