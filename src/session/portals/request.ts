// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import { type InterfaceShape, implement } from "../../dbus/interface.ts";
import type { Variant } from "../../formats/dbus/types.ts";
import type { PortalConnection } from "./connection.ts";
import { portalErrors } from "./errors.ts";
import { checkRoom, handlePath, tokenOf } from "./handles.ts";
import type { Options } from "./portal.ts";

/** 0: done; 1: the user said no; 2: it ended in another way. */
export interface RequestOutcome {
  readonly response: 0 | 1 | 2;
  readonly results?: ReadonlyMap<string, Variant>;
  /** What lasts until the caller closes the request or goes, and then ends. */
  readonly lasting?: Disposable;
}

export type RequestWork = (signal: AbortSignal) => Promise<RequestOutcome>;

const requestShape = {
  name: "org.freedesktop.portal.Request",
  methods: { Close: { in: "", out: "" } },
  signals: { Response: "u response, a{sv} results" },
} as const satisfies InterfaceShape;

/** The requests that one connection has open. */
export class Requests {
  readonly #connection: PortalConnection;
  readonly #open = new Map<string, AbortController>();

  constructor(connection: PortalConnection) {
    this.#connection = connection;
  }

  /** Opens a request; `later` runs its work when the method has answered. */
  open(
    sender: string,
    options: Options,
    { work, held }: { readonly work: RequestWork; readonly held: DisposableStack },
    later: (action: () => void) => void,
  ): string {
    using opening = held.move();
    const path = handlePath("request", sender, tokenOf(options, "handle_token"));
    checkRoom(this.#open, path, limits.portalRequests);
    const kept = opening.move();
    const controller = new AbortController();
    this.#open.set(path, controller);
    const exported = this.#connection.objects.export(
      path,
      implement(requestShape, {
        methods: {
          Close: () => {
            controller.abort();
            return [];
          },
        },
      }),
    );
    later(() => void this.#work(path, controller, work, { exported, kept }));
    return path;
  }

  async #work(
    path: string,
    controller: AbortController,
    work: RequestWork,
    { exported, kept }: { readonly exported: Disposable; readonly kept: Disposable },
  ): Promise<void> {
    const { signal } = controller;
    const closed = new Promise<undefined>((resolve) => signal.addEventListener("abort", () => resolve(undefined)));
    // A backend that does not listen to the signal must not keep the request open.
    const working = this.#outcome(work, signal).finally(() => kept[Symbol.dispose]());
    const outcome = await Promise.race([working, closed]);
    if (outcome?.lasting === undefined || signal.aborted) this.#end(path, exported);
    if (outcome === undefined || signal.aborted) {
      void working.then(({ lasting }) => lasting?.[Symbol.dispose]());
      return;
    }
    const { response, results = new Map<string, Variant>(), lasting } = outcome;
    this.#connection.emit(path, requestShape, "Response", [response, results]);
    if (lasting === undefined) return;
    await closed;
    lasting[Symbol.dispose]();
    this.#end(path, exported);
  }

  #end(path: string, exported: Disposable): void {
    exported[Symbol.dispose]();
    this.#open.delete(path);
  }

  async #outcome(work: RequestWork, signal: AbortSignal): Promise<RequestOutcome> {
    try {
      if (signal.aborted) return { response: 2 };
      return await work(signal);
    } catch (error) {
      if (error instanceof BusCallError && error.errorName === portalErrors.cancelled) return { response: 1 };
      if (!(error instanceof BusCallError)) this.#connection.failed(error);
      return { response: 2 };
    }
  }

  /** The caller has gone: nobody waits any more. */
  closeAll(): void {
    for (const controller of this.#open.values()) controller.abort();
  }
}
