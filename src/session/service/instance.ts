// SPDX-License-Identifier: Apache-2.0
import { closeSync, ftruncateSync, writeSync } from "node:fs";
import { DowelError } from "../../base/errors.ts";
import type { MessageHeader } from "../../formats/dbus/header.ts";
import { Listener } from "../../loop/listener.ts";
import type { EventLoop } from "../../loop/loop.ts";
import type { Bus, ServedSocket } from "../../metadata/permissions/names.ts";
import type { Answer } from "../bus/answers.ts";
import type { Refusal } from "../bus/held.ts";
import { Link } from "../bus/link.ts";
import { noTraffic, type Traffic } from "../bus/stream.ts";
import { PipewireLink } from "../pipewire/link.ts";
import type { PipewireServer } from "../pipewire/server.ts";
import { soundView } from "../pipewire/view.ts";
import type { PortalHost } from "../portals/host.ts";
import { logLines } from "../proxy/log.ts";
import { noRules, type SocketRules } from "../proxy/options.ts";
import { SoundLink } from "../sound/link.ts";
import type { Consents } from "./consents.ts";
import { Denials } from "./denials.ts";
import { type parseHandover, parsePolicy } from "./handover.ts";
import { LogSink } from "./log.ts";
import { Monitor } from "./monitor.ts";
import type { InstanceStatus } from "./status.ts";

/** One running sandbox: its sockets, its monitor, and all connections of its programs. */
export class Instance implements Disposable {
  readonly number: string;
  readonly app: string;
  readonly #loop: EventLoop;
  readonly #portals: PortalHost;
  readonly #consents: Consents;
  readonly #pipewire: PipewireServer;
  readonly #monitor: Monitor;
  readonly #listeners: Listener[] = [];
  readonly #links = new Set<Link | SoundLink | PipewireLink>();
  readonly #traffic = new Map<ServedSocket, Traffic>();
  readonly #denials = new Denials();
  readonly #log: LogSink | undefined;
  readonly #user = process.getuid?.() ?? 0;
  readonly #policy: number;
  readonly #rules = new Map<Bus, SocketRules>();
  readonly #words: readonly string[] | undefined;

  /** Owns the descriptors of the handover. @param ended called once, when the sandbox has ended */
  constructor(
    loop: EventLoop,
    handover: ReturnType<typeof parseHandover>,
    portals: PortalHost,
    consents: Consents,
    pipewire: PipewireServer,
    ended: () => void,
  ) {
    const { app, rules, policy, words } = handover;
    this.#loop = loop;
    this.#portals = portals;
    this.#consents = consents;
    this.#pipewire = pipewire;
    this.number = handover.number;
    this.app = app;
    this.#policy = policy;
    this.#words = words;
    this.#log = handover.log === undefined ? undefined : new LogSink(handover.log);
    this.#monitor = new Monitor(loop, handover.control, handover.monitor, ended);
    for (const { bus, fd } of handover.listeners) {
      if (bus === "pulse") this.#serveSound(fd);
      else if (bus === "pipewire") this.#servePipewire(fd);
      else this.#serve(bus, fd, rules.get(bus) ?? { ...noRules(), filter: true });
    }
  }

  #serveSound(fd: number): void {
    const traffic = noTraffic();
    this.#traffic.set("pulse", traffic);
    const listener = new Listener(this.#loop, fd, (client) => {
      const link: SoundLink = new SoundLink(this.#loop, client, {
        app: this.app,
        traffic,
        leave: this.#portals.leaveToRecord(this.app, this.number),
        ended: () => {
          this.#links.delete(link);
          listener.released();
        },
      });
      this.#links.add(link);
      this.#join("pulse", link);
    });
    this.#listeners.push(listener);
  }

  #servePipewire(fd: number): void {
    const traffic = noTraffic();
    this.#traffic.set("pipewire", traffic);
    const listener = new Listener(this.#loop, fd, (client) => {
      const link: PipewireLink = new PipewireLink(this.#loop, client, {
        view: soundView,
        server: this.#pipewire,
        leave: this.#portals.leaveToRecord(this.app, this.number),
        traffic,
        ended: () => {
          this.#links.delete(link);
          listener.released();
        },
      });
      this.#links.add(link);
      void link.attachAs(this.app, this.number, () => this.#join("pipewire", link));
    });
    this.#listeners.push(listener);
  }

  /** Gives a link the connection that the monitor opens for it. */
  #join(bus: ServedSocket, link: Link | SoundLink | PipewireLink): void {
    this.#monitor.connect(bus, (connection) =>
      link.attachFrom(() => {
        if (connection instanceof DowelError) throw connection;
        return connection;
      }),
    );
  }

  #serve(bus: Bus, fd: number, rules: SocketRules): void {
    const traffic = noTraffic();
    this.#rules.set(bus, rules);
    this.#traffic.set(bus, traffic);
    const listener = new Listener(this.#loop, fd, (client) => {
      const join = (): void => this.#join(bus, link);
      const portals = bus === "session" ? this.#portals : undefined;
      const link: Link = new Link(this.#loop, client, this.#user, {
        policy: rules.filter ? rules.policy : undefined,
        sloppyNames: rules.sloppyNames,
        traffic,
        local: portals?.connect(this.app, this.number, join),
        denied: (header, answer) => this.#denied(bus, header, answer),
        ...(rules.log
          ? { log: (...message: Parameters<typeof logLines>) => this.#log?.tell(logLines(...message)) }
          : {}),
        ...(bus === "session" ? { consent: (name: string) => this.#consent(name) } : {}),
        ended: () => {
          this.#links.delete(link);
          listener.released();
        },
      });
      this.#links.add(link);
      if (portals === undefined) join();
    });
    this.#listeners.push(listener);
  }

  #denied(bus: Bus, { destination, interface: name, member, path }: MessageHeader, answer: Answer): void {
    const error = answer.kind === "error" ? answer.name : "";
    this.#denials.add({ bus, name: destination, call: name === "" ? member : `${name}.${member}`, path, error });
  }

  async #consent(name: string): Promise<Refusal> {
    const refusal = await this.#consents.ask(this.app, name);
    if (refusal === undefined) this.#rules.get("session")?.policy.grant(name);
    return refusal;
  }

  /** What was agreed to for a service, or for any, no longer counts. */
  revoke(service: string | undefined): void {
    this.#rules.get("session")?.policy.revoke(service);
  }

  /**
   * Takes another policy in place of the one that counts, also for connections that are open. A bus that it does not name,
   * or that is not filtered, stays as it is. Throws `SESSION_PROTOCOL` or `USAGE`.
   */
  changePolicy(text: string): void {
    const { rules } = parsePolicy(text);
    // Where the service dies between these two, the monitor hands over a policy that allows nothing.
    ftruncateSync(this.#policy, 0);
    writeSync(this.#policy, text, 0);
    for (const [bus, { policy }] of rules) this.#rules.get(bus)?.policy.replaceBy(policy);
    for (const link of this.#links) if (link instanceof Link) link.policyChanged();
  }

  get status(): InstanceStatus {
    return {
      instance: this.number,
      app: this.app,
      words: this.#words,
      buses: Object.fromEntries(this.#traffic),
      denials: this.#denials.list,
    };
  }

  [Symbol.dispose](): void {
    for (const listener of this.#listeners.splice(0)) listener[Symbol.dispose]();
    for (const link of this.#links) link[Symbol.dispose]();
    this.#links.clear();
    this.#monitor[Symbol.dispose]();
    this.#log?.[Symbol.dispose]();
    closeSync(this.#policy);
  }
}
