// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Bus } from "../../../src/metadata/permissions/names.ts";
import { encodeHandover } from "../../../src/session/service/handover.ts";
import { check, syscall } from "../../../src/sys/libc.ts";
import { createSealedFile } from "../../../src/sys/process.ts";
import { connectUnix, listenUnix, socketPair } from "../../../src/sys/sockets.ts";
import { closeDescriptors, FixedBuffer, receive, transmit } from "../../../src/sys/transfer.ts";
import { dowelPath } from "../../e2e/support.ts";

const pidfdOpen = 434;
const buffer = new FixedBuffer(4096);

/** Sends one packet with descriptors. */
export function sendPacket(fd: number, bytes: Uint8Array, descriptors: readonly number[]): void {
  buffer.bytes.set(bytes);
  if (transmit(fd, buffer.address, bytes.length, descriptors) !== bytes.length)
    throw new Error("The packet did not go");
}

/** What stands for a sandbox: a process, its monitor's control socket, and a socket for the session bus. */
export class FakeSandbox implements AsyncDisposable {
  readonly number: string;
  readonly socket: string;
  readonly #bus: string;
  readonly #app: ChildProcess;
  readonly #listeners: ReadonlyMap<Bus, number>;
  #control: number | undefined;
  readonly #timer: ReturnType<typeof setInterval>;
  /** Connections that were asked for. */
  asked = 0;
  /** Whether requests are answered. */
  answers = true;

  /** @param buses those that it has sockets for; they all lead to the same bus */
  constructor(folder: string, number: string, bus: string, buses: readonly Bus[] = ["session"]) {
    mkdirSync(join(folder, "sandboxes"), { recursive: true });
    this.number = number;
    this.socket = join(folder, "sandboxes", number);
    this.#bus = bus;
    this.#app = spawn("sleep", ["infinity"], { stdio: "ignore" });
    this.#listeners = new Map(buses.map((name) => [name, listenUnix({ path: this.socketOf(name) })]));
    this.#timer = setInterval(() => this.#serveRequests(), 2);
  }

  socketOf(bus: Bus): string {
    return bus === "session" ? this.socket : `${this.socket}-${bus}`;
  }

  #serveRequests(): void {
    if (this.#control === undefined || !this.answers) return;
    while (this.#control !== undefined && receive(this.#control, buffer.address, 16, []) === 1) {
      this.asked++;
      const connection = connectUnix({ path: this.#bus });
      transmit(this.#control, buffer.address, 1, [connection]);
      closeDescriptors([connection]);
    }
  }

  /** Hands everything over to the service at a socket. */
  handOver(service: string, policy: readonly string[]): void {
    this.loseMonitor();
    const [mine, theirs] = socketPair("packets");
    this.#control = mine;
    const pidfd = check("pidfd_open", undefined, () => syscall(pidfdOpen, this.#app.pid));
    const words = createSealedFile("policy", Buffer.from(policy.map((word) => `${word}\0`).join("")));
    const connection = connectUnix({ path: service }, "packets");
    sendPacket(connection, encodeHandover(this.number, [...this.#listeners.keys()], false), [
      words,
      pidfd,
      theirs,
      ...this.#listeners.values(),
    ]);
    closeDescriptors([connection, words, pidfd, theirs]);
  }

  /** The monitor dies, and its app does not. */
  loseMonitor(): void {
    if (this.#control !== undefined) closeDescriptors([this.#control]);
    this.#control = undefined;
  }

  /** The sandbox ends, as far as the service can see. */
  async end(): Promise<void> {
    if (this.#app.exitCode !== null || this.#app.signalCode !== null) return;
    this.#app.kill("SIGKILL");
    await once(this.#app, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.loseMonitor();
    closeDescriptors([...this.#listeners.values()]);
    await this.end();
  }
}

/** `dowel session serve`, listening. */
export class ServiceProcess implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly exit: Promise<unknown[]>;

  private constructor(process: ChildProcess) {
    this.process = process;
    this.exit = once(process, "exit");
  }

  static async start(
    runtime: string,
    words: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<ServiceProcess> {
    const service = new ServiceProcess(
      spawn(dowelPath, ["session", "serve", ...words], {
        env: { ...process.env, XDG_RUNTIME_DIR: runtime, ...environment },
        stdio: ["ignore", "pipe", "ignore"],
      }),
    );
    await Promise.race([once(service.process.stdout ?? service.process, "data"), service.exit]);
    return service;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exit;
  }
}
