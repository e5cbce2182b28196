// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { type InterfaceShape, signatureOf } from "../../dbus/interface.ts";
import type { Message } from "../../dbus/message.ts";
import { type Answer, answerableError, ObjectTree, propertiesShape } from "../../dbus/objects.ts";
import { encodeWithValues, type Outgoing } from "../../dbus/wire.ts";
import { messageFlag, messageType } from "../../formats/dbus/header.ts";
import type { Variant } from "../../formats/dbus/types.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import type { LocalClient, LocalService } from "../bus/link.ts";
import { LocalNames } from "../bus/local.ts";
import type { CallingApp } from "./app.ts";
import { type ConnectionServices, desktopPortal, type Portal, type PortalCall, type PortalServices } from "./portal.ts";
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
  #portals: readonly Portal[];
  readonly #ended = new AbortController();
  readonly #requests = new Requests(this);
  readonly #sessions = new Sessions(this);
  #client: LocalClient | undefined;
  #caller = "";
  #serial = 0;
  #calls = 0;

  constructor(portals: readonly Portal[], app: CallingApp, services: PortalServices) {
    const places = new Set(portals.map(({ path }) => path));
    this.names = new LocalNames(
      [...new Set(portals.map(({ busName }) => busName))],
      (path) => !places.has(path) && this.objects.has(path),
    );
    this.#portals = portals;
    this.#app = app;
    this.#services = services;
  }

  /** Serves only these of its portals, and leaves the rest of these names to its owner on the bus; before the first call. */
  restrict(portals: readonly Portal[], sharedNames: readonly string[]): void {
    this.#portals = portals;
    for (const name of sharedNames) {
      const own = portals.filter(({ busName }) => busName === name);
      this.names.share(name, new Set(own.map((portal) => portal.interface)));
    }
  }

  call(message: Message, client: LocalClient): boolean {
    if (this.#client === undefined) this.#begin(client);
    this.#caller = message.sender;
    if (message.type === messageType.call) return this.#answer(message);
    closeDescriptors(message.descriptors);
    return false;
  }

  /** Most connections never call a portal, and cost nothing. */
  #begin(client: LocalClient): void {
    this.#client = client;
    for (const portal of this.#portals) this.objects.export(portal.path, portal.serve(this.#servicesFor(portal)));
  }

  #servicesFor({ path, busName }: Portal): ConnectionServices {
    const emit = (from: InterfaceShape, member: string, values: readonly unknown[]): void =>
      this.emit(path, from, member, values, busName);
    return {
      ...this.#services,
      emit,
      emitChanged: (shape, changed) => {
        const values = new Map<string, Variant>(
          Object.entries(changed).map(([name, value]) => [name, { signature: shape.properties?.[name] ?? "", value }]),
        );
        emit(propertiesShape, "PropertiesChanged", [shape.name, values, []]);
      },
      ended: this.#ended.signal,
    };
  }

  /** Answers at once where the method does; whether there is more to do. */
  #answer(message: Message): boolean {
    const later: (() => void)[] = [];
    const done = (): void => {
      this.#calls--;
      closeDescriptors(message.descriptors);
      for (const action of later) action();
    };
    this.#calls++;
    try {
      if (this.#calls > limits.portalCalls) throw new BusCallError(busErrors.limitsExceeded, "Too many open calls");
      const answer = this.objects.answer(message, this.#callOf(message.sender, message.path, later));
      if (answer instanceof Promise) {
        const sent = answer.then((found) => this.#return(message, found));
        sent.catch((error: unknown) => this.#refuse(message, error)).finally(done);
        return true;
      }
      this.#return(message, answer);
    } catch (error) {
      this.#refuse(message, error);
    }
    done();
    return later.length > 0;
  }

  #return(message: Message, { signature, values }: Answer): void {
    this.#reply(message, { type: messageType.return }, signature, values);
  }

  #refuse(message: Message, error: unknown): void {
    if (!(error instanceof DowelError)) this.failed(error);
    const { errorName, message: text } = answerableError(error);
    this.#reply(message, { type: messageType.error, errorName }, "s", [text.replaceAll("\0", "")]);
  }

  #reply(
    { sender, serial, flags, destination }: Message,
    kind: Outgoing,
    signature: string,
    values: Answer["values"],
  ): void {
    if ((flags & messageFlag.noReplyExpected) !== 0) return;
    const to = { destination: sender, replySerial: serial, flags: messageFlag.noReplyExpected };
    this.#send({ ...kind, ...to }, destination, signature, values);
  }

  #callOf(sender: string, path: string, later: (() => void)[]): PortalCall {
    return {
      sender,
      path,
      interactive: false,
      signal: this.#ended.signal,
      app: this.#app,
      emit: (from, shape, member, values) => this.emit(from, shape, member, values, this.#nameAt(from)),
      export: (path, served) => this.objects.export(path, served),
      request: (options, work, held = new DisposableStack()) =>
        this.#requests.open(sender, options, { work, held }, (action) => later.push(action)),
      openSession: (options, closed) => this.#sessions.open(sender, options, closed),
      session: (handle) => this.#sessions.at(handle),
    };
  }

  /** @param name whose owner the client believes to hear */
  #send(fields: Outgoing, name: string, signature: string, values: readonly unknown[]): void {
    const client = this.#client;
    if (this.#ended.signal.aborted || client === undefined) return;
    const sender = name.startsWith(":") ? name : client.ownerOf(name);
    this.#serial = (this.#serial % 0xffff_ffff) + 1;
    const { bytes, descriptors } = encodeWithValues({ ...fields, serial: this.#serial, sender }, signature, values);
    client.send(bytes, descriptors);
  }

  /** Sends a signal to the app. */
  emit(
    path: string,
    shape: InterfaceShape,
    member: string,
    values: readonly unknown[],
    name: string = desktopPortal.busName,
  ): void {
    const fields = { type: messageType.signal, path, interface: shape.name, member, destination: this.#caller };
    this.#send(fields, name, signatureOf(shape.signals?.[member] ?? ""), values);
  }

  #nameAt(path: string): string {
    const isAbove = (portal: Portal): boolean => path === portal.path || path.startsWith(`${portal.path}/`);
    return this.#portals.find(isAbove)?.busName ?? desktopPortal.busName;
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
