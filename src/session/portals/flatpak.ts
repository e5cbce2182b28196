// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { createSealedFile } from "../../sys/process.ts";
import type { CallingApp } from "./app.ts";
import { portalErrors } from "./errors.ts";
import { Passed, passTrees } from "./passed.ts";
import { type ConnectionServices, definePortal, type Options, type PortalCall } from "./portal.ts";
import { Processes, type StartedProcess, startDowel } from "./processes.ts";
import { invalid, parseSpawn, type SpawnRequest, spawnFlag, spawnWords } from "./spawn.ts";
import { watchStart } from "./started.ts";
import { UpdateMonitors } from "./updates/monitor.ts";

const shape = {
  name: "org.freedesktop.portal.Flatpak",
  methods: {
    Spawn: {
      in: "ay cwd_path, aay argv, a{uh} fds, a{ss} envs, u flags, a{sv} options",
      out: "u pid",
    },
    SpawnSignal: { in: "u pid, u signal, b to_process_group", out: "" },
    CreateUpdateMonitor: { in: "a{sv} options", out: "o handle" },
  },
  signals: { SpawnStarted: "u pid, u relpid", SpawnExited: "u pid, u exit_status" },
  properties: { version: "u", supports: "u" },
} as const satisfies InterfaceShape;

/** Reads what is to be started, for a caller with its permissions or without. */
type Parse = (sandboxed: boolean) => SpawnRequest;

/** `supports`: pids can be exposed. */
const exposesPids = 1;
function parentWords(app: CallingApp, flags: number): readonly string[] {
  const shared = (flags & spawnFlag.sharePids) !== 0;
  if (!shared && (flags & spawnFlag.exposePids) === 0) return [];
  return [`--parent-pid=${app.child()}`, shared ? "--parent-share-pids" : "--parent-expose-pids"];
}

function environmentFile({ environment, unset, words }: SpawnRequest): number {
  const set = [...environment].filter(([name]) => !unset.includes(name));
  const text = set.map(([name, value]) => `${name}=${value}\0`).join("");
  if (text.length + words.join("").length > limits.portalSpawnBytes) throw invalid("Too many words or variables");
  return createSealedFile("environment", Buffer.from(text));
}

/** What one connection has started and watches. */
class Spawner {
  readonly #services: ConnectionServices;
  readonly #processes = new Processes();
  readonly #monitors: UpdateMonitors;
  #tied = false;

  constructor(services: ConnectionServices) {
    this.#services = services;
    this.#monitors = new UpdateMonitors(services, services.updates);
  }

  /** Starts what a caller asks for; answers its pid. Throws `InvalidArgument` and `NotAllowed`. */
  spawn(call: PortalCall, fds: ReadonlyMap<number, number>, flags: number, options: Options, parse: Parse): number {
    const { app } = call;
    const info = app.info();
    if (!info.hasGroup("Application")) throw new BusCallError(portalErrors.notAllowed, "Only apps can do this");
    this.#processes.checkRoom();
    const request = parse(info.getBoolean("Instance", "sandbox") === true);
    const passed = new Passed(fds);
    passTrees(passed, app, options);
    const file = environmentFile(request);
    try {
      passed.addOnce("forward-env-fd", file);
      const words = [...spawnWords(info, request), ...parentWords(app, flags), app.id, ...request.words.slice(1)];
      const process = this.#start(call, passed, words, flags);
      this.#processes.add(process, (flags & spawnFlag.watchBus) !== 0, (status) => {
        call.emit(call.path, shape, "SpawnExited", [process.pid, status]);
      });
      process.ended.catch(this.#services.failed);
      this.#tie(call);
      return process.pid;
    } finally {
      closeSync(file);
    }
  }

  #start(call: PortalCall, passed: Passed, words: readonly string[], flags: number): StartedProcess {
    const { loop } = this.#services;
    const exposes = (flags & (spawnFlag.exposePids | spawnFlag.sharePids)) !== 0;
    const run = (): StartedProcess => startDowel(loop, ["run", ...passed.words, ...words], passed.descriptors);
    if (!exposes && (flags & spawnFlag.notifyStart) === 0) return run();
    return watchStart(
      loop,
      call.app,
      exposes,
      (fd) => {
        passed.addOnce("instance-id-fd", fd);
        return run();
      },
      (pid, relative) => call.emit(call.path, shape, "SpawnStarted", [pid, relative]),
    );
  }

  signal(pid: number, number: number, toGroup: boolean): void {
    this.#processes.signal(pid, number, toGroup);
  }

  createMonitor(call: PortalCall, options: Options): string {
    this.#tie(call);
    return this.#monitors.create(call, options);
  }

  /** What goes with the caller's connection. */
  #tie({ signal }: PortalCall): void {
    if (this.#tied) return;
    this.#tied = true;
    signal.addEventListener("abort", () => {
      this.#processes.endWatched();
      this.#monitors.closeAll();
    });
  }
}

/** Sandboxes that apps ask for, as flatpak-spawn, zypak and WebKit do. */
export const flatpakPortal = definePortal(
  shape,
  { busName: "org.freedesktop.portal.Flatpak", path: "/org/freedesktop/portal/Flatpak" },
  (services) => {
    const spawner = new Spawner(services);
    return {
      methods: {
        Spawn(call, cwd, argv, fds, env, flags, options) {
          const parse = (sandboxed: boolean) => parseSpawn(cwd, argv, env, flags, options, sandboxed);
          return [spawner.spawn(call, fds, flags, options, parse)];
        },
        SpawnSignal(_call, pid, number, toGroup) {
          spawner.signal(pid, number, toGroup);
          return [];
        },
        CreateUpdateMonitor: (call, options) => [spawner.createMonitor(call, options)],
      },
      properties: { version: () => 8, supports: () => exposesPids },
    };
  },
);
