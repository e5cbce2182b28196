// SPDX-License-Identifier: Apache-2.0
import { Decoder } from "../base/decode.ts";
import { checkCancelled, isDowelError } from "../base/errors.ts";
import type { DowelEvent, Report } from "../base/events.ts";
import { BusCallError, busErrors } from "../dbus/errors.ts";
import { BusPeer } from "../dbus/peer.ts";
import { systemBusAddress } from "../dbus/reach.ts";
import { tellIdle } from "../engine/outcome.ts";
import { checkWritable } from "../engine/places.ts";
import { eraseDataOf } from "../engine/remove.ts";
import type { CarryOut } from "../engine/transact.ts";
import { parseBusAddress } from "../formats/dbus/address.ts";
import { EventLoop } from "../loop/loop.ts";
import type { Installation } from "../store/installation.ts";
import { checkAcceptable } from "./accept.ts";
import type { SystemChange } from "./change.ts";
import { encodeChange, transactionOf } from "./encode.ts";
import { fromBusError } from "./errors.ts";
import { openMedia } from "./media.ts";
import { serviceName, servicePath, systemShape } from "./names.ts";

export interface AskOptions {
  readonly report: Report;
  readonly signal: AbortSignal;
  /** A password may be asked for. */
  readonly interactive: boolean;
}

const decoder = new Decoder("SYSTEM_PROTOCOL", "an event of the system service");

/** The service is root's and is believed; that an event is one of those that `render` knows is its word. */
function decodeEvent(json: unknown): DowelEvent {
  const event = decoder.object(decoder.parse(decoder.string(json, "")), "");
  decoder.string(event["type"], "type");
  return event as unknown as DowelEvent;
}

const service = { destination: serviceName, path: servicePath, interface: systemShape.name } as const;

/** The system service as a client sees it, over a connection of its own. */
export class SystemService implements Disposable {
  readonly #loop: EventLoop;
  readonly #peer: BusPeer;
  readonly #installation: Installation;
  #jobs = 0;

  private constructor(loop: EventLoop, peer: BusPeer, installation: Installation) {
    this.#loop = loop;
    this.#peer = peer;
    this.#installation = installation;
  }

  /**
   * Reaches the service, which the bus starts where it does not run. Throws `NOT_PERMITTED` where there is none: then
   * nobody but root can change the installation.
   */
  static async connect(installation: Installation, signal: AbortSignal): Promise<SystemService> {
    const loop = new EventLoop();
    try {
      const sockets = parseBusAddress(systemBusAddress());
      const peer = await loop.runUntil(BusPeer.connect(loop, sockets, {}, signal));
      const client = new SystemService(loop, peer, installation);
      await loop.runUntil(client.#greet(signal));
      return client;
    } catch (error) {
      loop[Symbol.dispose]();
      checkCancelled(signal);
      if (!isDowelError(error)) throw error;
      checkWritable(installation);
      throw error;
    }
  }

  async #greet(signal: AbortSignal): Promise<void> {
    const values = [systemShape.name, "Version"] as const;
    const properties = { ...service, interface: "org.freedesktop.DBus.Properties", member: "Get" } as const;
    await this.#peer.call({ ...properties, signature: "ss", values, returns: "v" }, { signal });
  }

  /** Carries out agreed plans; the data that uninstalled apps kept for this user, the service does not touch. */
  carryOut(options: AskOptions): CarryOut {
    return async (plan, how) => {
      if (plan.operations.length === 0) {
        tellIdle(plan, options.report);
        return;
      }
      using media = openMedia(how.sideloadRepos ?? []);
      await this.carryOutChange(transactionOf(plan, how), options, media.descriptors);
      for (const operation of plan.operations) {
        if (operation.operation === "uninstall" && operation.deleteData) eraseDataOf(operation);
      }
    };
  }

  /**
   * Has a change carried out, and reports what the service tells of it. Answers whether anything had to be done. Throws what
   * the same change throws where it is done here, `NOT_PERMITTED` where polkit refuses, and `SYSTEM_UNREACHABLE`.
   */
  async carryOutChange(change: SystemChange, options: AskOptions, media: readonly number[] = []): Promise<boolean> {
    checkCancelled(options.signal);
    checkAcceptable(change);
    try {
      return await this.#loop.runUntil(this.#ask(change, media, options));
    } catch (error) {
      throw error instanceof BusCallError ? fromBusError(error) : error;
    }
  }

  async #ask(
    change: SystemChange,
    media: readonly number[],
    { report, signal, interactive }: AskOptions,
  ): Promise<boolean> {
    const job = `job${++this.#jobs}`;
    // It may have ended while a person was asked, and has then been started again by this.
    await this.#greet(signal);
    // From here on this very process is meant, whoever has the name later.
    const owner = await this.#peer.ownerOf(serviceName);
    const gone = Promise.withResolvers<never>();
    using _watching = await this.#peer.watchOwner(owner, () =>
      gone.reject(new BusCallError(busErrors.disconnected, "The system service has ended")),
    );
    const rule = { sender: owner, path: servicePath, interface: systemShape.name, member: "Event" };
    using _listening = await this.#peer.listen(rule, ({ values = [] }) => {
      if (values[0] === job) report(decodeEvent(values[1]));
    });
    // The answer to the change itself then says that it was cancelled, or that it was done before.
    const cancel = (): void => {
      const call = { ...service, destination: owner, member: "Cancel" } as const;
      this.#peer.call({ ...call, signature: "s", values: [job] }).catch(() => undefined);
    };
    signal.addEventListener("abort", cancel, { once: true });
    try {
      const { name, path } = this.#installation;
      const values = [job, name, path, encodeChange(change), media] as const;
      const answer = this.#peer.call(
        { ...service, destination: owner, member: "Change", signature: "ssssah", values, returns: "b" },
        { timeoutMilliseconds: Number.POSITIVE_INFINITY, interactive },
      );
      const [changed] = await Promise.race([answer, gone.promise]);
      return changed;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  [Symbol.dispose](): void {
    this.#peer[Symbol.dispose]();
    this.#loop[Symbol.dispose]();
  }
}
