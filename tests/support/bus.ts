// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { BodyReader } from "../../src/formats/dbus/body.ts";
import { fixedBytes, MessageHeader, messageType } from "../../src/formats/dbus/header.ts";
import { encodeMessage, type MessageFields } from "../../src/formats/dbus/write.ts";

export const busName = "org.freedesktop.DBus";

/** A message as a peer got it. */
export interface Received {
  readonly type: number;
  readonly serial: number;
  readonly replySerial: number;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly errorName: string;
  readonly sender: string;
  readonly destination: string;
  /** Texts and numbers, where the signature has only those. */
  readonly values: readonly unknown[];
}

function valuesOf(bytes: Uint8Array, header: MessageHeader): unknown[] {
  const body = new BodyReader(bytes, 0, header);
  switch (header.signature) {
    case "as":
      return [body.strings()];
    case "s":
      return [body.string()];
    case "sss":
      return [body.string(), body.string(), body.string()];
    case "b":
    case "u":
      return [body.uint32()];
    default:
      if (header.signature === "") return [];
      return header.signature.startsWith("s") ? [body.string(), header.signature] : [header.signature];
  }
}

/** A connection to a bus or a proxy that says exactly what it is told to. */
export class RawPeer implements Disposable {
  readonly #socket: Socket;
  readonly received: Received[] = [];
  readonly #waiting = new Map<number, (message: Received) => void>();
  #wake: (() => void)[] = [];
  #pending = Buffer.alloc(0);
  #serial = 0x100;
  name = "";
  closed = false;
  /** Told of every message; an answer may be sent. */
  onMessage: ((message: Received, peer: RawPeer) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.closed = true;
      this.#notify();
    });
  }

  /** Connects without a word. */
  static async open(path: string): Promise<RawPeer> {
    const socket = connect(path);
    await once(socket, "connect");
    return new RawPeer(socket);
  }

  /** Connects, authenticates and, unless told otherwise, says Hello. */
  static async connect(path: string, hello = true, uid = process.getuid?.() ?? 0): Promise<RawPeer> {
    const peer = await RawPeer.open(path);
    const answer = new Promise<void>((resolve, reject) => {
      peer.#socket.once("data", () => resolve());
      peer.#socket.once("close", () => reject(new Error("The connection ended before it was authenticated")));
    });
    const user = Buffer.from(String(uid)).toString("hex");
    peer.#socket.write(`\0AUTH EXTERNAL ${user}\r\n`);
    await answer;
    peer.#socket.on("data", (data: Buffer) => peer.#take(data));
    peer.#socket.write("BEGIN\r\n");
    if (hello) peer.name = String((await peer.callBus("Hello")).values[0]);
    return peer;
  }

  /** Everything that comes, as text; for what is no message. */
  onText(take: (text: string) => void): void {
    this.#socket.on("data", (data: Buffer) => take(data.toString("latin1")));
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #take(data: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, data]);
    const header = new MessageHeader();
    while (this.#pending.length >= fixedBytes) {
      header.measure(this.#pending, 0);
      if (this.#pending.length < header.length) break;
      header.read(this.#pending, 0);
      const message = { ...header, values: valuesOf(this.#pending, header) };
      this.#pending = this.#pending.subarray(header.length);
      this.#deliver(message);
    }
    this.#notify();
  }

  #deliver(message: Received): void {
    const answer = message.replySerial === 0 ? undefined : this.#waiting.get(message.replySerial);
    this.#waiting.delete(message.replySerial);
    this.received.push(message);
    answer?.(message);
    this.onMessage?.(message, this);
  }

  get nextSerial(): number {
    return ++this.#serial;
  }

  write(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  send(message: Omit<MessageFields, "serial">, serial = this.nextSerial): number {
    this.#socket.write(encodeMessage({ ...message, serial }));
    return serial;
  }

  /** Sends a call and waits for its answer, whatever it is; undefined where the connection ends first. */
  async ask(message: Omit<MessageFields, "serial" | "type">): Promise<Received | undefined> {
    const serial = this.nextSerial;
    let answer: Received | undefined;
    this.#waiting.set(serial, (found) => {
      answer = found;
    });
    this.send({ ...message, type: messageType.call }, serial);
    await this.until(() => answer !== undefined || this.closed);
    return answer;
  }

  async callBus(member: string, ...texts: readonly string[]): Promise<Received> {
    const answer = await this.ask(busCall(member, ...texts));
    if (answer === undefined) throw new Error(`The connection ended before ${member} was answered`);
    return answer;
  }

  /** Waits until something is so; it is looked at whenever something came. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** All that the bus had for this peer so far has come after this. */
  async settle(): Promise<void> {
    await this.ask(busCall("GetId"));
  }

  end(): void {
    this.#socket.end();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** A call of the bus's own with texts; RequestName gets its flags too. */
export function busCall(member: string, ...texts: readonly string[]): Omit<MessageFields, "serial" | "type"> {
  const call = { destination: busName, path: "/org/freedesktop/DBus", interface: busName, member };
  const flags = ["RequestName", "StartServiceByName"].includes(member);
  const signature = `${"s".repeat(texts.length)}${flags ? "u" : ""}`;
  if (signature === "") return call;
  return {
    ...call,
    signature,
    body: (writer) => {
      for (const text of texts) writer.string(text);
      return flags ? writer.uint32(0) : writer;
    },
  };
}

/** A process that is waited for at its end. */
export class Child implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor(words: readonly string[], stdio: ("ignore" | "inherit" | "pipe")[], env?: Record<string, string>) {
    const [program = "", ...args] = words;
    this.process = spawn(program, args, env === undefined ? { stdio } : { stdio, env });
    this.#exit = once(this.process, "exit");
  }

  get exit(): Promise<unknown> {
    return this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.#exit;
  }
}

export interface TestBus extends AsyncDisposable {
  readonly socket: string;
  readonly address: string;
  readonly pid: number;
}

/** A bus that listens on a socket once it has said something. */
async function whenReady(child: Child, socket: string): Promise<TestBus> {
  await once(child.process.stdout ?? child.process, "data");
  return {
    socket,
    address: `unix:path=${socket}`,
    pid: child.process.pid ?? 0,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** A private dbus-daemon in a folder, ready. */
export async function startBus(folder: string, extra = "", prefix: readonly string[] = []): Promise<TestBus> {
  const socket = join(folder, "bus");
  const configuration = join(folder, "bus.conf");
  writeFileSync(
    configuration,
    `<busconfig><type>session</type><listen>unix:path=${socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
${extra}</busconfig>`,
  );
  const child = new Child(
    [...prefix, "dbus-daemon", `--config-file=${configuration}`, "--nofork", "--nopidfile", "--print-address"],
    ["ignore", "pipe", "ignore"],
  );
  return await whenReady(child, socket);
}

/** A private dbus-broker(1) in a folder; connections wait until it is ready. */
export async function startBroker(folder: string): Promise<TestBus> {
  const socket = join(folder, "bus");
  const child = new Child(
    ["unshare", "--mount", "python3", "tests/interop/broker.py", socket],
    ["ignore", "pipe", "ignore"],
  );
  return await whenReady(child, socket);
}

/** A proxy of xdg-dbus-proxy's words; it listens when this resolves. */
export async function startProxy(program: readonly string[], words: readonly string[]): Promise<Child> {
  const [head = "", ...rest] = program;
  const child = new Child([head, ...rest, "--fd=3", ...words], ["ignore", "ignore", "ignore", "pipe"]);
  const ready = child.process.stdio[3];
  if (ready === null || ready === undefined) throw new Error("There is no pipe");
  await Promise.race([once(ready, "data"), child.exit]);
  return child;
}
