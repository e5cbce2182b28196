// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../../base/limits.ts";
import { BusCallError, busErrors } from "../../../dbus/errors.ts";
import { type InterfaceShape, implement } from "../../../dbus/interface.ts";
import { variant } from "../../../formats/dbus/types.ts";
import { portalErrors } from "../errors.ts";
import { checkRoom, handleName, tokenOf } from "../handles.ts";
import type { Options, PortalCall, PortalServices } from "../portal.ts";
import { installedApp, nameOf } from "./installed.ts";
import { runUpdate } from "./run.ts";
import type { UpdateWatcher, Versions } from "./watcher.ts";

const shape = {
  name: "org.freedesktop.portal.Flatpak.UpdateMonitor",
  methods: { Close: { in: "", out: "" }, Update: { in: "s parent_window, a{sv} options", out: "" } },
  signals: { UpdateAvailable: "a{sv} update_info", Progress: "a{sv} info" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

async function mayUpdate({ decide }: PortalServices, call: PortalCall): Promise<boolean> {
  return (await decide(call.app, "flatpak", "updates", "ask")) === "yes";
}

/** The update monitors of one connection. */
export class UpdateMonitors {
  readonly #services: PortalServices;
  readonly #watcher: UpdateWatcher;
  readonly #open = new Map<string, Disposable>();

  constructor(services: PortalServices, watcher: UpdateWatcher) {
    this.#services = services;
    this.#watcher = watcher;
  }

  /** Opens a monitor for the caller's app and returns its path. Throws `InvalidArgument`, `Exists` or `LimitsExceeded`. */
  create(call: PortalCall, options: Options): string {
    const path = `${call.path}/update_monitor/${handleName(call.sender)}/${tokenOf(options, "handle_token")}`;
    checkRoom(this.#open, path, limits.portalUpdateMonitors);
    const app = installedApp(call.app.info());
    if (app === undefined) throw new BusCallError(portalErrors.notFound, "The app that runs is not installed");
    const ended = new AbortController();
    let told: Versions = { local: app.running, remote: app.running };
    const news = (versions: Versions): void => {
      if (versions.local === told.local && versions.remote === told.remote) return;
      told = versions;
      const info = { "running-commit": app.running, "local-commit": told.local, "remote-commit": told.remote };
      const values = new Map(Object.entries(info).map(([key, value]) => [key, variant("s", value)]));
      call.emit(path, shape, "UpdateAvailable", [values]);
    };
    const update = async (): Promise<void> => {
      const key = nameOf(app);
      const { updating } = this.#watcher;
      if (updating.has(key)) throw new BusCallError(portalErrors.failed, "The app is being updated already");
      if (!(await mayUpdate(this.#services, call))) {
        throw new BusCallError(portalErrors.notAllowed, "Application update not allowed");
      }
      if (updating.has(key) || ended.signal.aborted)
        throw new BusCallError(busErrors.failed, "Already updating, or closed");
      updating.add(key);
      runUpdate(this.#services.loop, app, ended.signal, (info) => call.emit(path, shape, "Progress", [info]))
        .catch(this.#services.failed)
        .finally(() => updating.delete(key));
    };
    const stack = new DisposableStack();
    stack.use(this.#watcher.watch(app, news));
    stack.use(
      call.export(
        path,
        this.#serve(update, () => this.#close(path)),
      ),
    );
    stack.defer(() => ended.abort());
    this.#open.set(path, stack);
    return path;
  }

  #serve(update: () => Promise<void>, close: () => void) {
    return implement<typeof shape, PortalCall>(shape, {
      methods: {
        Close: () => {
          close();
          return [];
        },
        Update: async () => {
          await update();
          return [];
        },
      },
      properties: { version: () => 1 },
    });
  }

  #close(path: string): void {
    this.#open.get(path)?.[Symbol.dispose]();
    this.#open.delete(path);
  }

  /** The caller has gone. */
  closeAll(): void {
    for (const path of [...this.#open.keys()]) this.#close(path);
  }
}
