// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { type InterfaceShape, signatureOf } from "../../dbus/interface.ts";
import type { Message } from "../../dbus/message.ts";
import { answerableError, ObjectTree } from "../../dbus/objects.ts";
import { encodeWithValues, type Outgoing } from "../../dbus/wire.ts";
import { messageFlag, messageType } from "../../formats/dbus/header.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import type { LocalClient, LocalService } from "../bus/link.ts";
import type { LocalNames } from "../bus/local.ts";
import { localUnique } from "../bus/local.ts";
import type { CallingApp } from "./app.ts";
import type { Portal, PortalCall, PortalServices } from "./portal.ts";
import { Requests } from "./request.ts";
import { Sessions } from "./session.ts";

/**
 * The portals as one connection of an app sees them. Its requests and sessions exist for it alone, so a path of
 * another's leads nowhere.
 */
export class PortalConnection implements LocalService {
  readonly names: LocalNames;
  readonly objects = new ObjectTree<PortalCall>();
  readonly #app: CallingApp;
  readonly #services: PortalServices;
  readonly #portals: readonly Portal[];
  readonly #ended = new AbortController();
  readonly #requests = new Requests(this);
  readonly #sessions = new Sessions(this);
  #client: LocalClient | undefined;
  #caller = "";
  #serial = 0;
  #calls = 0;

  constructor(names: LocalNames, portals: readonly Portal[], app: CallingApp, services: PortalServices) {
    this.names = names;
    this.#portals = portals;
    this.#app = app;
    this.#services = services;
  }

  call(message: Message, client: LocalClient): void {
    if (this.#client === undefined) this.#begin(client);
    this.#caller = message.sender;
    if (message.type === messageType.call) void this.#answer(message);
    else closeDescriptors(message.descriptors);
  }

  /** Most connections never call a portal, and cost nothing. */
  #begin(client: LocalClient): void {
    this.#client = client;
    for (const portal of this.#portals) this.objects.export(portal.path, portal.serve(this.#services));
  }

  async #answer(message: Message): Promise<void> {
    const { sender, path, serial, flags } = message;
    const to = { destination: sender, replySerial: serial, flags: messageFlag.noReplyExpected };
    const silent = (flags & messageFlag.noReplyExpected) !== 0;
    const later: (() => void)[] = [];
    this.#calls++;
    try {
      if (this.#calls > limits.portalCalls) throw new BusCallError(busErrors.limitsExceeded, "Too many open calls");
      const { signature, values } = await this.objects.answer(message, this.#callOf(sender, path, later));
      if (!silent) this.#send({ type: messageType.return, ...to }, signature, values);
    } catch (error) {
      if (!(error instanceof DowelError)) this.failed(error);
      const { errorName, message: text } = answerableError(error);
      if (!silent) this.#send({ type: messageType.error, errorName, ...to }, "s", [text.replaceAll("\0", "")]);
    } finally {
      this.#calls--;
      closeDescriptors(message.descriptors);
      for (const action of later) action();
    }
  }

  #callOf(sender: string, path: string, later: (() => void)[]): PortalCall {
    return {
      sender,
      path,
      interactive: false,
      signal: this.#ended.signal,
      app: this.#app,
      emit: (...signal) => this.emit(...signal),
      request: (options, work) => this.#requests.open(sender, options, work, (action) => later.push(action)),
      openSession: (options, closed) => this.#sessions.open(sender, options, closed),
      session: (handle) => this.#sessions.at(handle),
    };
  }

  #send(fields: Outgoing, signature: string, values: readonly unknown[]): void {
    if (this.#ended.signal.aborted) return;
    this.#serial = (this.#serial % 0xffff_ffff) + 1;
    const { bytes, descriptors } = encodeWithValues(
      { ...fields, serial: this.#serial, sender: localUnique },
      signature,
      values,
    );
    this.#client?.send(bytes, descriptors);
  }

  /** Sends a signal to the app. */
  emit(path: string, shape: InterfaceShape, member: string, values: readonly unknown[]): void {
    const fields = { type: messageType.signal, path, interface: shape.name, member, destination: this.#caller };
    this.#send(fields, signatureOf(shape.signals?.[member] ?? ""), values);
  }

  failed(error: unknown): void {
    this.#services.failed(error);
  }

  ended(): void {
    this.#requests.closeAll();
    this.#sessions.closeAll();
    this.#ended.abort();
  }
}
