// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server, type Socket } from "node:net";

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  /** First byte that was asked for with `Range`, else 0. */
  readonly offset: number;
}

/**
 * What a proxy does to an answer: other bytes, or only so many of them before the connection breaks or falls silent, or
 * sends the second half of them after so many milliseconds; or another status, with an empty body, and where to look.
 */
export interface Fault {
  readonly status?: number;
  readonly location?: string;
  readonly delay?: number;
  readonly body?: (body: Buffer) => Buffer;
  readonly cutAfter?: number;
  readonly stallAfter?: number;
}

/** Passes GET and HEAD requests on to a registry and spoils answers as told; notes every request. */
export class FaultProxy implements AsyncDisposable {
  readonly requests: ProxiedRequest[] = [];
  /** Bytes of bodies that were passed on. */
  sent = 0;
  fault: (request: ProxiedRequest) => Fault | undefined = () => undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: string;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  /** `HOST:PORT` */
  get host(): string {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? `127.0.0.1:${address.port}` : "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    let head = "";
    socket.on("data", (data) => {
      head += data.toString("latin1");
      if (head.includes("\r\n\r\n")) void this.#answer(socket, head);
    });
  }

  async #answer(socket: Socket, head: string): Promise<void> {
    const [line = "", ...lines] = head.split("\r\n");
    const [method = "GET", path = "/"] = line.split(" ");
    const headers = Object.fromEntries(
      lines.flatMap((text) => (text.includes(": ") ? [text.split(/: (.*)/s).slice(0, 2)] : [])),
    );
    const offset = Number(/range: bytes=([0-9]+)/i.exec(head)?.[1] ?? 0);
    const request = { method, path, offset };
    this.requests.push(request);
    const fault = this.fault(request);
    delete headers["Host"];
    if (fault?.status !== undefined) {
      const location = fault.location === undefined ? "" : `location: ${fault.location}\r\n`;
      socket.end(`HTTP/1.1 ${fault.status} X\r\n${location}content-length: 0\r\nconnection: close\r\n\r\n`);
      return;
    }
    const answer = await fetch(`${this.#target}${path}`, { method, headers, redirect: "manual" });
    const original = Buffer.from(await answer.arrayBuffer());
    const body = fault?.body?.(original) ?? original;
    const fields = [...answer.headers].filter(
      ([name]) => !["content-length", "connection", "transfer-encoding"].includes(name),
    );
    const length = method === "HEAD" ? (answer.headers.get("content-length") ?? "0") : String(body.length);
    fields.push(["content-length", length], ["connection", "close"]);
    socket.write(
      `HTTP/1.1 ${answer.status} X\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`,
    );
    const end = fault?.cutAfter ?? fault?.stallAfter;
    const passed = method === "HEAD" ? body.subarray(0, 0) : body.subarray(0, end);
    this.sent += passed.length;
    if (fault?.delay !== undefined) {
      const half = passed.length >> 1;
      socket.write(passed.subarray(0, half));
      setTimeout(() => socket.end(passed.subarray(half)), fault.delay);
      return;
    }
    socket.write(passed, () => {
      if (fault?.cutAfter !== undefined && fault.cutAfter < body.length) socket.destroy();
      else if (fault?.stallAfter === undefined || fault.stallAfter >= body.length) socket.end();
    });
  }
}
