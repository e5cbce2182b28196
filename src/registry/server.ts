// SPDX-License-Identifier: Apache-2.0
import { mkdir } from "node:fs/promises";
import { checkCancelled, DowelError, fileError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { limits } from "../base/limits.ts";
import { Failure, failureResponse } from "./failure.ts";
import { FlatpakIndex } from "./flatpakindex.ts";
import { handlers } from "./handlers.ts";
import type { Context } from "./request.ts";
import { parseRoute } from "./routes.ts";
import { RegistryStore } from "./store.ts";

export interface RegistryOptions {
  /** Where everything is kept; made where it is missing. */
  readonly folder: string;
  /** `HOST:PORT`; port 0 takes a free one. */
  readonly listen: string;
  readonly report?: Report;
  /** Ends the server. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunningRegistry extends AsyncDisposable {
  /** `http://HOST:PORT` */
  readonly address: string;
  /** Closes the server and all its connections. */
  stop(): Promise<void>;
}

/**
 * Serves a folder as an OCI registry (distribution specification 1.1) over plain HTTP, for everybody who can
 * connect: there is no login. Flatpak can use `oci+http://HOST:PORT` as a remote.
 */
export async function serveRegistry(options: RegistryOptions): Promise<RunningRegistry> {
  const { hostname, port } = parseListen(options.listen);
  checkCancelled(options.signal);
  await mkdir(options.folder, { recursive: true }).catch((error: unknown) => {
    throw fileError(error, "create", options.folder);
  });
  const store = new RegistryStore(options.folder);
  await store.uploads.removeAbandoned();
  const server = listen(hostname, port, new Service(store, options.report ?? silent));
  const address = `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${server.port}`;
  const stop = async (): Promise<void> => {
    options.signal?.removeEventListener("abort", stop);
    await server.stop(true);
  };
  options.signal?.addEventListener("abort", stop, { once: true });
  options.report?.({ type: "registry.listening", address });
  return { address, stop, [Symbol.asyncDispose]: stop };
}

function listen(hostname: string, port: number, service: Service): Bun.Server<undefined> {
  try {
    return Bun.serve({
      hostname,
      port,
      maxRequestBodySize: limits.layerBytes,
      idleTimeout: 120,
      development: false,
      // Bun shares ports by default when not in development, and a second server would take half the requests
      reusePort: false,
      fetch: (request) => service.answer(request),
      error: failureResponse,
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DowelError("IO", `Cannot listen on ${hostname}:${port}: ${reason}`, { cause });
  }
}

class Service {
  readonly #store: RegistryStore;
  readonly #report: Report;
  readonly #index = new FlatpakIndex();

  constructor(store: RegistryStore, report: Report) {
    this.#store = store;
    this.#report = report;
  }

  async answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const response = await this.#dispatch({ store: this.#store, request, url }).catch((error: unknown) => {
      if (!(error instanceof Failure) && !(error instanceof DowelError)) {
        this.#report({ type: "warning", text: `${request.method} ${url.pathname}: ${String(error)}` });
      }
      return failureResponse(error);
    });
    response.headers.set("docker-distribution-api-version", "registry/2.0");
    this.#report({ type: "registry.request", method: request.method, path: url.pathname, status: response.status });
    return response;
  }

  async #dispatch(context: Context): Promise<Response> {
    const { request, url } = context;
    refuseForeignPages(request, url);
    const route = parseRoute(url.pathname);
    if (route === undefined) throw new Failure("UNSUPPORTED", "there is nothing here", {}, 404);
    if (route.kind === "index" && request.method === "GET") return this.#index.respond(context, route.namespace);
    const answer = handlers(context, route)[request.method];
    if (answer === undefined) throw new Failure("UNSUPPORTED", `${request.method} is not possible here`);
    return answer();
  }
}

/** A web page in a browser on this machine must not be able to push. */
function refuseForeignPages(request: Request, url: URL): void {
  const origin = request.headers.get("origin");
  if (origin === null || request.method === "GET" || request.method === "HEAD") return;
  if (origin !== url.origin) throw new Failure("DENIED", "pages of other sites may not change anything here");
}

function parseListen(text: string): { hostname: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const hostname = bracketed ?? plain;
  if (hostname === undefined || Number(port) > 65535) {
    throw new DowelError("USAGE", `"${text}" must be HOST:PORT`);
  }
  return { hostname, port: Number(port) };
}
