// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { messageType } from "../../src/formats/dbus/header.ts";
import { busCall, type Child, RawPeer, type Received, startBus, startProxy, type TestBus } from "../support/bus.ts";

/** What the client of a world may do. */
const policyWords: readonly string[] = [
  "--filter",
  "--see=org.test.See",
  "--talk=org.test.Talk",
  "--own=org.test.Own.*",
  "--call=org.test.Rules=org.test.Iface.Allowed@/allowed/*",
  "--call=org.test.Rules=org.test.Whole.*",
  "--broadcast=org.test.Rules=org.test.Iface.Heard@/heard",
  "--talk=org.test.Wild.*",
];

export const roles = ["See", "Talk", "Rules", "Wild.Deep", "Wildly", "Hidden"] as const;
export type Role = (typeof roles)[number];

/** What the message for `tryBytes` must have: old proxies want serials to grow. */
export const attemptSerial = 0x102;

const kinds = ["", "call", "return", "error", "signal"];

/** A private bus with a peer for each role, a proxy before it, and a client of the proxy. */
export class World implements AsyncDisposable {
  readonly bus: TestBus;
  readonly proxy: Child;
  readonly socket: string;
  readonly peers: ReadonlyMap<Role, RawPeer>;
  client: RawPeer;

  private constructor(bus: TestBus, proxy: Child, socket: string, peers: ReadonlyMap<Role, RawPeer>, client: RawPeer) {
    this.bus = bus;
    this.proxy = proxy;
    this.socket = socket;
    this.peers = peers;
    this.client = client;
  }

  static async start(folder: string, program: readonly string[], start = startBus): Promise<World> {
    mkdirSync(folder);
    const bus = await start(folder);
    const peers = new Map<Role, RawPeer>();
    for (const role of roles) peers.set(role, await startPeer(bus, role));
    const socket = join(folder, "proxy");
    const proxy = await startProxy(program, [bus.address, socket, ...policyWords]);
    return new World(bus, proxy, socket, peers, await RawPeer.connect(socket));
  }

  peer(role: Role): RawPeer {
    const found = this.peers.get(role);
    if (found === undefined) throw new Error(`No peer plays ${role}`);
    return found;
  }

  /** A message with roles in place of unique names. */
  tell(message: Received | undefined): string {
    if (message === undefined) return "(closed)";
    const { type, interface: name, member, errorName, path, values, sender } = message;
    const what = [errorName, name, member, path].filter((text) => text !== "").join(" ");
    return this.anonymous(
      `${kinds[type]} ${what} ${JSON.stringify(values)}${type === messageType.signal ? ` from ${sender}` : ""}`,
    );
  }

  anonymous(text: string): string {
    const known = new Map([...this.peers].map(([role, { name }]) => [name, `<${role}>`]));
    known.set(this.client.name, "<client>");
    return text
      .replace(/:1\.[0-9]+/g, (name) => known.get(name) ?? "<other>")
      .replace(/"[0-9a-f]{32}"/, '"<id of the bus>"');
  }

  /** What everybody got since the last look, once nothing is on its way any more. */
  async harvest(): Promise<string[]> {
    if (!this.client.closed) await this.client.settle();
    const result: string[] = [];
    for (const [role, peer] of this.peers) {
      await peer.settle();
      result.push(...this.#take(role, peer));
    }
    if (!this.client.closed) await this.client.settle();
    return [...result, ...this.#take("client", this.client)];
  }

  #take(who: string, peer: RawPeer): string[] {
    return peer.received
      .splice(0)
      .filter(({ type }) => type === messageType.call || type === messageType.signal)
      .map((message) => `${who} gets ${this.tell(message)}`);
  }

  /** All that a new client of a socket gets for some bytes, or that it is thrown out for them. */
  async tryBytes(bytes: Uint8Array, socket = this.socket): Promise<string[]> {
    using attempt = await RawPeer.connect(socket);
    attempt.received.splice(0);
    if (attempt.nextSerial !== attemptSerial) throw new Error("The message has another serial");
    attempt.write(bytes);
    await attempt.ask(busCall("GetId"));
    for (const peer of this.peers.values()) await peer.settle();
    await attempt.ask(busCall("GetId"));
    const got = attempt.received.filter(({ type }) => type !== messageType.signal).map((message) => this.tell(message));
    for (const peer of this.peers.values()) peer.received.splice(0);
    // Answers of different peers have no order.
    return attempt.closed ? ["closed"] : got.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    for (const peer of this.peers.values()) peer[Symbol.dispose]();
    await this.proxy[Symbol.asyncDispose]();
    await this.bus[Symbol.asyncDispose]();
  }
}

/** Owns its name and answers every call with the member's name. */
async function startPeer(bus: TestBus, role: Role): Promise<RawPeer> {
  const peer = await RawPeer.connect(bus.socket);
  await peer.callBus("RequestName", `org.test.${role}`);
  peer.onMessage = ({ type, sender, serial, member }) => {
    if (type !== messageType.call) return;
    peer.send({
      type: messageType.return,
      destination: sender,
      replySerial: serial,
      signature: "s",
      body: (writer) => writer.string(member),
    });
  };
  return peer;
}
