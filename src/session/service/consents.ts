// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { isDowelError } from "../../base/errors.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { tablesFolder } from "../../metadata/documents.ts";
import type { Refusal } from "../bus/held.ts";
import { BusPermissions, storeName } from "../permissions/bus.ts";
import { FilePermissions } from "../permissions/files.ts";
import { serviceUnknown } from "../permissions/store.ts";
import type { Permissions } from "../permissions/types.ts";
import type { Environment, HostBuses } from "../portals/buses.ts";
import { onFileChange } from "../portals/source.ts";
import { accessBackend, askPerson } from "./dialog.ts";

const table = "services";

export interface ConsentOptions {
  readonly loop: EventLoop;
  readonly buses: HostBuses;
  readonly environment: Environment;
  /** Folders of installations; what they export as services can be asked for. */
  readonly installations: readonly string[];
  /** What was agreed to for a service no longer counts, or for none without one. */
  readonly revoked: (service: string | undefined) => void;
}

/**
 * Whether apps may use services that other apps export. The answers are in the session's permission store, or its files
 * where none runs, in the table `services` by service and app; a person is asked where it has none and the desktop can ask.
 */
export class Consents implements Disposable {
  readonly #options: ConsentOptions;
  readonly #open = new Map<string, Promise<Refusal>>();
  #listening: { readonly peer: BusPeer; readonly started: Promise<unknown> } | undefined;

  #files: Disposable | undefined;
  /** How often something was taken back. */
  #changes = 0;

  constructor(options: ConsentOptions) {
    this.#options = options;
  }

  /** Asks; undefined for yes, else a text why not. The same question is asked once at a time. */
  async ask(app: string, service: string): Promise<Refusal> {
    const key = `${app} ${service}`;
    const open = this.#open.get(key) ?? this.#ask(app, service).finally(() => this.#open.delete(key));
    this.#open.set(key, open);
    return await open;
  }

  async #ask(app: string, service: string): Promise<Refusal> {
    const { loop, buses, installations } = this.#options;
    const file = `exports/share/dbus-1/services/${service}.service`;
    if (!installations.some((folder) => existsSync(`${folder}/${file}`))) return `No app exports ${service}`;
    try {
      const peer = await buses.connect("session");
      await this.#listen(peer);
      for (;;) {
        const before = this.#changes;
        const refusal = await loop.during(this.#decide(peer, app, service));
        // What was taken back while it was read must not count.
        if (refusal !== undefined || before === this.#changes) return refusal;
      }
    } catch (error) {
      if (!isDowelError(error)) throw error;
      return `Nobody can be asked whether ${app} may use ${service}: ${error.message}`;
    }
  }

  async #decide(peer: BusPeer, app: string, service: string): Promise<Refusal> {
    const store = await this.#store(peer);
    const [known] = (await store.lookup(table, service))?.apps.get(app) ?? [];
    if (known === "yes") return undefined;
    const refusal = `${app} may not use ${service}; to allow it: dowel permission-set ${table} ${service} ${app} yes`;
    const backend = known === "no" ? undefined : accessBackend(this.#options.environment);
    if (backend === undefined) return refusal;
    const title = `Allow ${app} to use ${service}?`;
    const answer = await askPerson(peer, backend, app, title, `${service} is a service of another app.`);
    if (answer !== undefined) await store.set(table, service, app, [answer ? "yes" : "no"]);
    return answer === true ? undefined : refusal;
  }

  /** The store of the session, or its files where there is none. */
  async #store(peer: BusPeer): Promise<Permissions> {
    const store = new BusPermissions(peer, undefined);
    try {
      await store.ids(table);
      return store;
    } catch (error) {
      if (!(error instanceof BusCallError)) throw error;
      if (error.errorName !== serviceUnknown) return store;
    }
    const { loop, environment } = this.#options;
    const file = `${tablesFolder(environment)}/${table}`;
    this.#files ??= onFileChange(loop, file, () => this.#revoked(undefined));
    return new FilePermissions(tablesFolder(environment), undefined);
  }

  #revoked(service: string | undefined): void {
    this.#changes++;
    this.#options.revoked(service);
  }

  /** Before an answer is read it is certain that a change of it will be heard. */
  async #listen(peer: BusPeer): Promise<void> {
    if (this.#listening?.peer !== peer) {
      const rule = { sender: storeName, interface: storeName, member: "Changed", arg0: table } as const;
      const started = peer.listen(rule, ({ values }) => this.#revoked(String(values?.[1] ?? "")));
      this.#listening = { peer, started };
      started.catch(() => {
        this.#listening = undefined;
      });
      peer.ended.addEventListener("abort", () => this.#revoked(undefined));
    }
    await this.#listening.started;
  }

  [Symbol.dispose](): void {
    this.#files?.[Symbol.dispose]();
  }
}
