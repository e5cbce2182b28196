// SPDX-License-Identifier: Apache-2.0
import { launcherPath } from "../../../instances/launcher.ts";
import type { EventLoop } from "../../../loop/loop.ts";
import { pollFor } from "../../../sys/epoll.ts";
import { FolderWatch } from "../../../sys/inotify.ts";
import { runProgram } from "../command.ts";
import { activeVersion, type InstalledApp, nameOf, placeOption } from "./installed.ts";

/** How often a remote is asked while somebody wants to know. */
const pollMilliseconds = 30 * 60 * 1000;
/** An answer is good for so long for those who come later. */
const freshMilliseconds = 60 * 1000;
const answerMilliseconds = 5 * 60 * 1000;

/** Commits of 64 hex digits. */
export interface Versions {
  readonly local: string;
  /** The local one, as long as nothing else is known. */
  readonly remote: string;
}

type Listener = (versions: Versions) => void;

/** What is known of one app; watched while somebody listens. */
class WatchedApp {
  readonly listeners = new Set<Listener>();
  readonly #loop: EventLoop;
  readonly #app: InstalledApp;
  readonly #failed: (error: unknown) => void;
  #watching: DisposableStack | undefined;
  #remote: string | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking = false;

  constructor(loop: EventLoop, app: InstalledApp, failed: (error: unknown) => void) {
    this.#loop = loop;
    this.#app = app;
    this.#failed = failed;
  }

  begin(): void {
    if (this.#watching !== undefined) return;
    const stack = new DisposableStack();
    this.#watching = stack;
    const folder = stack.use(new FolderWatch());
    folder.add(this.#app.folder);
    stack.use(
      this.#loop.watch(folder.fd, pollFor.input, () => {
        folder.drain();
        this.#tell();
      }),
    );
    if (performance.now() - this.#askedAt > freshMilliseconds) this.#ask();
    this.#askLater(stack);
  }

  #askLater(stack: DisposableStack): void {
    const timer = this.#loop.after(pollMilliseconds, () => {
      if (this.#watching !== stack) return;
      this.#ask();
      this.#askLater(stack);
    });
    stack.defer(() => timer[Symbol.dispose]());
  }

  end(): void {
    this.#watching?.[Symbol.dispose]();
    this.#watching = undefined;
  }

  /** Tells one that has just come. */
  tellSoon(listener: Listener): void {
    this.#loop.after(0, () => this.#tell([listener]));
  }

  #tell(listeners: Iterable<Listener> = this.listeners): void {
    const local = activeVersion(this.#app)?.commit;
    if (local === undefined) return;
    const versions = { local, remote: this.#remote ?? local };
    for (const listener of listeners) if (this.listeners.has(listener)) listener(versions);
  }

  /** In a process of its own: a registry may take its time. */
  #ask(): void {
    const active = activeVersion(this.#app);
    if (this.#asking || active === undefined) return;
    this.#asking = true;
    this.#askedAt = performance.now();
    const words = ["remote-info", placeOption(this.#app.place), "--show-commit", active.origin, this.#app.ref];
    const answer = runProgram(launcherPath(), words, { cwd: "/", timeout: answerMilliseconds });
    this.#loop
      .during(answer)
      .then((stdout) => {
        this.#remote = stdout.trim();
        this.#tell();
      }, this.#failed)
      .finally(() => {
        this.#asking = false;
      });
  }
}

/** New versions of the apps that ask for news of them; one question to a remote serves all instances of an app. */
export class UpdateWatcher {
  readonly #loop: EventLoop;
  readonly #failed: (error: unknown) => void;
  readonly #apps = new Map<string, WatchedApp>();
  /** Apps that are being updated, by whichever of their instances. */
  readonly updating = new Set<string>();

  constructor(loop: EventLoop, failed: (error: unknown) => void) {
    this.#loop = loop;
    this.#failed = failed;
  }

  /** Calls the listener soon, and whenever a version may have changed, until it is disposed of. */
  watch(app: InstalledApp, listener: Listener): Disposable {
    const key = nameOf(app);
    const watched = this.#apps.get(key) ?? new WatchedApp(this.#loop, app, this.#failed);
    this.#apps.set(key, watched);
    watched.listeners.add(listener);
    watched.begin();
    watched.tellSoon(listener);
    return {
      [Symbol.dispose]: () => {
        watched.listeners.delete(listener);
        if (watched.listeners.size === 0) watched.end();
      },
    };
  }
}
