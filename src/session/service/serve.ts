// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { ownPlace } from "../../engine/library/folders.ts";
import { latin1 } from "../../formats/dbus/header.ts";
import { Listener } from "../../loop/listener.ts";
import { EventLoop } from "../../loop/loop.ts";
import { tablesFolder } from "../../metadata/documents.ts";
import { pollFor } from "../../sys/epoll.ts";
import { lockFile } from "../../sys/locks.ts";
import { startTime } from "../../sys/process.ts";
import { listenUnix, peerCredentials, raiseDescriptorLimit } from "../../sys/sockets.ts";
import { closeDescriptors, FixedBuffer, receive, transmit, wouldBlock } from "../../sys/transfer.ts";
import { DocumentKeeper } from "../documents/keeper.ts";
import { instancesOf } from "../documents/mounts.ts";
import { DocumentPortal } from "../documents/presence.ts";
import { DocumentTables } from "../documents/tables.ts";
import { LibraryKeeper } from "../library/keeper.ts";
import { PipewireServer } from "../pipewire/server.ts";
import { callingApp } from "../portals/app.ts";
import type { Backends } from "../portals/backends.ts";
import { type Environment, HostBuses } from "../portals/buses.ts";
import type { Decide } from "../portals/decide.ts";
import { Desktop } from "../portals/desktop.ts";
import { PortalHost } from "../portals/host.ts";
import { backendsOfFile, decideByFile, portalPolicyPath } from "../portals/policy.ts";
import { Questions } from "../portals/questions.ts";
import { servedPortals } from "../portals/served.ts";
import { fileChanges } from "../portals/source.ts";
import { decideByStore } from "../portals/stored.ts";
import { UpdateWatcher } from "../portals/updates/watcher.ts";
import { machineUsb } from "../portals/usb/devices.ts";
import { Timers } from "../timers/timers.ts";
import { Consents } from "./consents.ts";
import { OverrideFollower } from "./follow.ts";
import { parseHandover } from "./handover.ts";
import { Instance } from "./instance.ts";
import { followedApp, type KeptPolicy, policiesFor } from "./policy.ts";
import { encodeAnswer, type SessionStatus, statusQuestion } from "./status.ts";

export interface ServeOptions {
  /** Folder of the socket and its lock. */
  readonly folder: string;
  /** Folder of all instances of the user. */
  readonly instances: string;
  /** Folders of installations, whose overrides are followed. */
  readonly installations: readonly string[];
  /** A listening SEQPACKET socket that the service manager gave; undefined: one is made. */
  readonly listener: number | undefined;
  readonly environment: Environment;
  /** Without instances for this long it ends; undefined: never. */
  readonly lingerMilliseconds: number | undefined;
  /** Told when it listens. */
  readonly ready: () => void;
  /** Told of a handover that makes no sense. */
  readonly failed: (reason: unknown) => void;
}

/** Where launchers reach the service. */
export function sessionSocketPath(runFolder: string): string {
  return `${runFolder}/session.sock`;
}

const buffer = new FixedBuffer(4096);

/** All instances of one user; says what it does by way of its options. */
class SessionService implements Disposable {
  readonly #loop: EventLoop;
  readonly #options: ServeOptions;
  readonly #listener: Listener;
  readonly #buses: HostBuses;
  readonly #library: LibraryKeeper;
  readonly #decide: Decide;
  readonly #timers: Timers;
  readonly #documents: DocumentKeeper;
  readonly #portals: PortalHost;
  readonly #instances = new Map<string, Instance>();
  readonly #consents: Consents;
  readonly #pipewire: PipewireServer;
  readonly #follower: OverrideFollower;
  readonly #ended = new AbortController();
  readonly #user = process.getuid?.() ?? 0;

  constructor(loop: EventLoop, fd: number, options: ServeOptions) {
    this.#loop = loop;
    this.#options = options;
    this.#buses = new HostBuses(loop, options.environment);
    const { environment, instances, failed } = options;
    this.#library = new LibraryKeeper(loop, { ...ownPlace(environment), instances }, failed);
    this.#decide = decideByFile(portalPolicyPath, failed, decideByStore(loop, environment, failed));
    this.#timers = new Timers({
      ...options,
      loop,
      buses: this.#buses,
      decide: this.#decide,
      appOf: (id) => callingApp(instances, id, ""),
      managed: options.listener !== undefined,
    });
    this.#pipewire = new PipewireServer(loop, environment, options.folder);
    const isRunning = (app: string): boolean => instancesOf(instances, new Set([app])).length > 0;
    const tables = new DocumentTables({ loop, environment, runFolder: options.folder, isRunning });
    this.#documents = new DocumentKeeper(loop, tables, instances, failed);
    this.#portals = this.#makePortals();
    this.#consents = new Consents({
      ...options,
      loop,
      buses: this.#buses,
      revoked: (service) => {
        for (const instance of this.#instances.values()) instance.revoke(service);
      },
    });
    this.#follower = new OverrideFollower(loop, options.installations, (concerns) => this.#renew(concerns));
    this.#listener = new Listener(loop, fd, (caller) => this.#accepted(caller));
    loop.onQuiet = (milliseconds) => {
      const { lingerMilliseconds = Number.POSITIVE_INFINITY } = options;
      const isIdle = milliseconds >= lingerMilliseconds && !this.#timers.holds;
      if (this.#instances.size === 0 && (isIdle || !this.#isReachable())) loop.stop();
    };
    this.#timers.look();
  }

  #makePortals(): PortalHost {
    const { instances, environment, failed } = this.#options;
    const backends = (): Backends => backendsOfFile(portalPolicyPath, failed);
    const services = {
      loop: this.#loop,
      decide: this.#decide,
      decisionsChanged: fileChanges(this.#loop, [`${tablesFolder(environment)}/devices`, portalPolicyPath]),
      timers: this.#timers,
      updates: new UpdateWatcher(this.#loop, failed),
      failed,
      buses: this.#buses,
      environment,
      pipewire: this.#pipewire,
      backends,
      library: this.#library,
      documents: this.#documents,
      questions: new Questions(),
      usb: machineUsb,
    };
    return new PortalHost(services, instances, servedPortals(services), {
      desktop: new Desktop(this.#buses),
      documents: new DocumentPortal(this.#buses),
      backends,
    });
  }

  /** Nobody finds a service whose socket was removed. */
  #isReachable(): boolean {
    return this.#options.listener !== undefined || existsSync(sessionSocketPath(this.#options.folder));
  }

  #accepted(caller: number): void {
    const watch = this.#loop.watch(caller, pollFor.input, () => {
      const descriptors: number[] = [];
      const count = receive(caller, buffer.address, buffer.bytes.length, descriptors);
      if (count === wouldBlock) return;
      watch[Symbol.dispose]();
      const close = (): void => {
        closeDescriptors([caller]);
        this.#listener.released();
      };
      void this.#hear(caller, count, descriptors).catch(this.#options.failed).finally(close);
      this.#loop.yield();
    });
  }

  async #hear(caller: number, count: number, descriptors: readonly number[]): Promise<void> {
    const asked = count > 0 && [this.#user, 0].includes(peerCredentials(caller).uid);
    const packet = buffer.bytes.slice(0, Math.max(0, count));
    const followed = followedApp(packet, count);
    if (asked && followed === undefined && latin1(packet, 0, count) !== statusQuestion) {
      this.#takeOver(packet, descriptors);
      return;
    }
    closeDescriptors(descriptors);
    if (asked && followed !== undefined) this.#answer(caller, await this.#follower.follow(followed.app));
    else if (asked) this.#answer(caller, this.#status);
  }

  /** Lets apps follow their overrides; one that the rules cannot be made anew for keeps what it has, and is answered. */
  async #renew(concerns: (app: string) => boolean): Promise<readonly KeptPolicy[]> {
    const concerned = [...this.#instances.values()].filter(({ app }) => concerns(app));
    const renewed = concerned.filter(({ status }) => status.words !== undefined);
    const failed = new Set(concerned.filter((instance) => !renewed.includes(instance)));
    try {
      const starts = renewed.map(({ status }) => status.words ?? []);
      const texts = starts.length === 0 ? [] : await this.#loop.during(policiesFor(starts, this.#ended.signal));
      renewed.forEach((instance, index) => {
        if (!this.#takePolicy(instance, texts[index])) failed.add(instance);
      });
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#options.failed(error);
      for (const instance of renewed) failed.add(instance);
    }
    return [...failed].map(({ app, number }) => ({ app, instance: number }));
  }

  /** Whether the instance has it, ended meanwhile, or will have another one at once. */
  #takePolicy(instance: Instance, policy: string | DowelError | undefined): boolean {
    const lives = this.#instances.get(instance.number) === instance;
    if (!lives || this.#follower.isOutdated(instance.app)) return true;
    try {
      if (typeof policy !== "string") throw policy;
      instance.changePolicy(policy);
      return true;
    } catch (error) {
      this.#options.failed(error);
      return false;
    }
  }

  get #status(): SessionStatus {
    return { pid: process.pid, instances: [...this.#instances.values()].map(({ status }) => status) };
  }

  #answer(caller: number, answer: unknown): void {
    for (const packet of encodeAnswer(answer)) {
      const copy = new FixedBuffer(packet.length);
      copy.bytes.set(packet);
      // A caller that asks and does not read gets what its socket holds.
      transmit(caller, copy.address, packet.length, []);
    }
  }

  #takeOver(packet: Uint8Array, descriptors: readonly number[]): void {
    const handover = parseHandover(packet, descriptors);
    const { number } = handover;
    // The monitor hands over again what it believes lost.
    this.#end(number);
    const ended = (): void => this.#end(number);
    this.#instances.set(
      number,
      new Instance(this.#loop, handover, this.#portals, this.#consents, this.#pipewire, ended),
    );
    if (handover.words !== undefined) this.#follower.joined(handover.app, startTime(handover.monitor));
    this.#library.joined(handover.app);
    this.#documents.joined();
  }

  #end(number: string): void {
    const instance = this.#instances.get(number);
    this.#instances.delete(number);
    instance?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#follower[Symbol.dispose]();
    this.#library[Symbol.dispose]();
    this.#documents[Symbol.dispose]();
    this.#consents[Symbol.dispose]();
    this.#listener[Symbol.dispose]();
    for (const number of [...this.#instances.keys()]) this.#end(number);
    this.#timers[Symbol.dispose]();
    this.#pipewire[Symbol.dispose]();
    this.#buses[Symbol.dispose]();
  }
}

/** Serves the buses of all instances until the signal, or until it has nothing to do. Throws `SESSION_RUNNING`. */
export async function serveSession(options: ServeOptions, signal: AbortSignal): Promise<void> {
  const path = sessionSocketPath(options.folder);
  using lock = await lockFile(`${options.folder}/session.lock`, { exclusive: true, waitMilliseconds: 0 });
  if (lock === undefined) throw new DowelError("SESSION_RUNNING", `A session service serves ${path} already`);
  raiseDescriptorLimit();
  using loop = new EventLoop();
  using _service = new SessionService(loop, options.listener ?? listenAt(path), options);
  options.ready();
  await loop.run(signal);
  if (options.listener === undefined) rmSync(path, { force: true });
}

/** The lock is held, so what lies at the path is what a service left that did not end by itself. */
function listenAt(path: string): number {
  try {
    rmSync(path, { force: true });
    return listenUnix({ path }, "packets");
  } catch (error) {
    throw fileError(error, "listen at", path);
  }
}
