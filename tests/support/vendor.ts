// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

interface Download {
  readonly path: string;
  readonly range: string | undefined;
}

/** A server that somebody's extra data lie on, on a free port of loopback. It knows ranges, and notes what is asked. */
export class Vendor implements AsyncDisposable {
  readonly requests: Download[] = [];
  readonly files = new Map<string, Uint8Array>();
  /** Answers in place of the server; true where it did. */
  instead: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(): Promise<Vendor> {
    const vendor = new Vendor();
    await new Promise<void>((resolve) => vendor.#server.listen(0, "127.0.0.1", resolve));
    return vendor;
  }

  /** The address of a file. */
  url(path: string): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "/";
    const range = request.headers.range;
    this.requests.push({ path, range });
    if (this.instead(request, response)) return;
    const file = this.files.get(path);
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    const start = Number(/^bytes=([0-9]+)-/.exec(range ?? "")?.[1] ?? 0);
    const headers = { "content-length": file.length - start };
    if (range === undefined) response.writeHead(200, headers);
    else response.writeHead(206, { ...headers, "content-range": `bytes ${start}-${file.length - 1}/${file.length}` });
    response.end(file.subarray(start));
  }
}
