// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { valueAs } from "../../formats/dbus/types.ts";
import { createSealedFile } from "../../sys/process.ts";
import type { CallingApp } from "./app.ts";
import { portalErrors } from "./errors.ts";
import { isWritableFor } from "./opath.ts";
import { definePortal, type Options, type PortalCall } from "./portal.ts";
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

/** `supports`: pids can be exposed. */
const exposesPids = 1;
const mostDescriptors = 253;
const highestDescriptor = 1023;

/** The options of `run` for descriptors, and under which numbers they go. */
class Passed {
  readonly descriptors: Map<number, number>;
  readonly #forwarded: readonly string[];
  readonly #once: string[] = [];
  readonly #words: string[] = [];
  #next: number;

  constructor(fds: ReadonlyMap<number, number>) {
    if (fds.size > mostDescriptors) throw invalid(`At most ${mostDescriptors} descriptors can be passed`);
    if ([...fds.keys()].some((target) => target > highestDescriptor)) {
      throw invalid(`A descriptor can be passed as one up to ${highestDescriptor}`);
    }
    this.descriptors = new Map(fds);
    this.#forwarded = [...fds.keys()].filter((target) => target > 2).map((target) => `--forward-fd=${target}`);
    this.#next = Math.max(2, ...fds.keys()) + 1;
  }

  /** Behind `run`; what is for one start alone stands first, so that a start that differs in nothing else is a warm one. */
  get words(): readonly string[] {
    return [...this.#forwarded, ...this.#once, ...this.#words];
  }

  #give(option: string, fd: number): string {
    this.descriptors.set(this.#next, fd);
    return `--${option}=${this.#next++}`;
  }

  addOnce(option: "forward-env-fd" | "instance-id-fd", fd: number): void {
    this.#once.push(this.#give(option, fd));
  }

  add(option: string, fd: number): void {
    this.#words.push(this.#give(option, fd));
  }
}

function exposed(options: Options, key: string): readonly number[] {
  const found = options.get(key);
  const fds = valueAs("ah", found);
  if (fds === undefined && found !== undefined) throw invalid(`${key} must be a list of descriptors`);
  return fds ?? [];
}

function passTrees(passed: Passed, app: CallingApp, options: Options): void {
  for (const fd of exposed(options, "sandbox-expose-fd")) {
    passed.add(isWritableFor(app.child(), fd) ? "bind-fd" : "ro-bind-fd", fd);
  }
  for (const fd of exposed(options, "sandbox-expose-fd-ro")) {
    isWritableFor(app.child(), fd);
    passed.add("ro-bind-fd", fd);
  }
  for (const name of ["usr-fd", "app-fd"]) {
    const fd = valueAs("h", options.get(name));
    if (fd === undefined) continue;
    isWritableFor(app.child(), fd);
    passed.add(name, fd);
  }
}

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

/** Sandboxes that apps ask for, as flatpak-spawn, zypak and WebKit do. */
export const flatpakPortal = definePortal(
  shape,
  { busName: "org.freedesktop.portal.Flatpak", path: "/org/freedesktop/portal/Flatpak" },
  (services) => {
    const { loop, failed, updates } = services;
    const processes = new Processes();
    const monitors = new UpdateMonitors(services, updates);
    let tied = false;

    /** What goes with the caller's connection. */
    function tie({ signal }: PortalCall): void {
      if (tied) return;
      tied = true;
      signal.addEventListener("abort", () => {
        processes.endWatched();
        monitors.closeAll();
      });
    }

    function start(call: PortalCall, passed: Passed, words: readonly string[], flags: number): StartedProcess {
      const notify = (flags & (spawnFlag.notifyStart | spawnFlag.exposePids | spawnFlag.sharePids)) !== 0;
      const { app } = call;
      const run = (): StartedProcess => startDowel(loop, ["run", ...passed.words, ...words], passed.descriptors);
      if (!notify) return run();
      return watchStart(
        loop,
        app,
        (fd) => {
          passed.addOnce("instance-id-fd", fd);
          return run();
        },
        (pid, relative) => call.emit(call.path, shape, "SpawnStarted", [pid, relative]),
      );
    }

    return {
      methods: {
        Spawn(call, cwd, argv, fds, env, flags, options) {
          const { app } = call;
          const info = app.info();
          if (!info.hasGroup("Application")) throw new BusCallError(portalErrors.notAllowed, "Only apps can do this");
          processes.checkRoom();
          const sandboxed = info.getBoolean("Instance", "sandbox") === true;
          const request = parseSpawn(cwd, argv, env, flags, options, sandboxed);
          const passed = new Passed(fds);
          passTrees(passed, app, options);
          const file = environmentFile(request);
          try {
            passed.addOnce("forward-env-fd", file);
            const words = [...spawnWords(info, request), ...parentWords(app, flags), app.id];
            const process = start(call, passed, [...words, ...request.words.slice(1)], flags);
            processes.add(process, (flags & spawnFlag.watchBus) !== 0, (status) => {
              call.emit(call.path, shape, "SpawnExited", [process.pid, status]);
            });
            process.ended.catch(failed);
            tie(call);
            return [process.pid];
          } finally {
            closeSync(file);
          }
        },
        SpawnSignal(_call, pid, number, toGroup) {
          processes.signal(pid, number, toGroup);
          return [];
        },
        CreateUpdateMonitor(call, options) {
          tie(call);
          return [monitors.create(call, options)];
        },
      },
      properties: { version: () => 8, supports: () => exposesPids },
    };
  },
);
