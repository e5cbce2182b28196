// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  addToLibrary,
  type LibraryChange,
  type Pick,
  removeFromLibrary,
  withLibrary,
} from "../../engine/library/change.ts";
import { type FoundFolder, findFolders, type LibraryPlace } from "../../engine/library/folders.ts";
import { follow, runningNames } from "../../engine/library/follow.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { libraryFolder, libraryPath } from "../../metadata/library.ts";
import { pollFor } from "../../sys/epoll.ts";
import { onFileChange } from "../portals/source.ts";

export interface LibraryNews {
  readonly kind: "Added" | "Removed" | "Changed";
  readonly folder: FoundFolder;
}

type Listener = (news: LibraryNews) => void;
type Folders = ReadonlyMap<string, FoundFolder>;

const ending = ".json";

function isOther(one: FoundFolder, other: FoundFolder): boolean {
  return one.path !== other.path || one.access !== other.access || one.available !== other.available;
}

/**
 * Lets running apps follow their libraries: media come and go, which the kernel tells by its table of mounts, and folders
 * are taken away by whatever hand. Who adds a folder has it shown at once by itself.
 */
export class LibraryKeeper implements Disposable {
  readonly #loop: EventLoop;
  readonly #place: LibraryPlace;
  readonly #failed: (error: unknown) => void;
  readonly #listeners = new Map<string, Set<Listener>>();
  /** What was known of an app's folders when it was last looked at. */
  readonly #seen = new Map<string, Folders>();
  /** Apps of which an instance may show other media than there are. */
  readonly #unsure = new Set<string>();
  readonly #resources = new DisposableStack();
  readonly #ended = new AbortController();
  /** What identifies the content of each file. */
  #files: ReadonlyMap<string, string>;
  #waiting = new Set<string>();
  #working = false;

  constructor(loop: EventLoop, place: LibraryPlace, failed: (error: unknown) => void) {
    this.#loop = loop;
    this.#place = place;
    this.#failed = failed;
    this.#files = this.#states();
    this.#watchFiles();
    this.#watchMounts();
    for (const name of this.#files.keys()) this.#remember(name);
  }

  #watchFiles(): void {
    const any = libraryPath(this.#place.installation, "any");
    try {
      this.#resources.use(onFileChange(this.#loop, any, () => this.#filesChanged()));
    } catch {
      // A folder that the user may not read, or no watches left: what commands change is shown all the same.
    }
  }

  /** The table becomes ready by itself when it has changed, without being read (proc(5)). */
  #watchMounts(): void {
    const fd = openSync("/proc/self/mountinfo", "r");
    this.#resources.defer(() => closeSync(fd));
    const watch = this.#loop.watch(fd, pollFor.priority, () => this.#mountsChanged());
    this.#resources.use(watch);
  }

  #mountsChanged(): void {
    if (this.#files.size === 0) return;
    const running = runningNames(this.#place.instances);
    this.#look([...this.#files.keys()].filter((name) => running.has(name) || this.#listeners.has(name)));
  }

  #states(): ReadonlyMap<string, string> {
    const folder = libraryFolder(this.#place.installation);
    const states = new Map<string, string>();
    for (const name of namesIn(folder)) {
      if (!name.endsWith(ending)) continue;
      const found = statSync(join(folder, name), { throwIfNoEntry: false, bigint: true });
      if (found?.isFile() !== true) continue;
      states.set(name.slice(0, -ending.length), `${found.ino} ${found.size} ${found.mtimeNs}`);
    }
    return states;
  }

  #filesChanged(): void {
    const [before, now] = [this.#files, this.#states()];
    this.#files = now;
    const names = new Set([...before.keys(), ...now.keys()]);
    this.#look([...names].filter((name) => before.get(name) !== now.get(name)));
  }

  /** The folders of an app as they are now. Throws `LIBRARY_INVALID`. */
  folders(name: string): readonly FoundFolder[] {
    return findFolders(this.#place, name);
  }

  #remember(name: string): void {
    try {
      this.#seen.set(name, byName(this.folders(name)));
    } catch (error) {
      this.#failed(error);
    }
  }

  async add(pick: Pick, signal: AbortSignal): Promise<LibraryChange> {
    return await this.#loop.during(addToLibrary(this.#place, pick, signal));
  }

  async remove(name: string, word: string): Promise<LibraryChange> {
    return await this.#loop.during(removeFromLibrary(this.#place, name, word, this.#ended.signal));
  }

  /** Tells what becomes of an app's folders. */
  listen(name: string, listener: Listener, until: AbortSignal): void {
    if (until.aborted) return;
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    until.addEventListener("abort", () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(name);
    });
  }

  /** An app runs now whose start may have seen other media than there are. */
  joined(app: string): void {
    const names = [...this.#files.keys()].filter((name) => name === app || name.startsWith(`${app}@`));
    for (const name of names) this.#unsure.add(name);
    this.#look(names);
  }

  #look(names: Iterable<string>): void {
    for (const name of names) this.#waiting.add(name);
    if (this.#working || this.#waiting.size === 0) return;
    this.#working = true;
    void this.#loop.during(this.#work()).finally(() => {
      this.#working = false;
      this.#look([]);
    });
  }

  async #work(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#ended.signal.aborted) {
      for (const name of this.#waiting) {
        this.#waiting.delete(name);
        try {
          await withLibrary(this.#place, name, this.#ended.signal, () => this.#compare(name));
        } catch (error) {
          if (!this.#ended.signal.aborted) this.#failed(error);
        }
      }
    }
  }

  /** What is damaged takes nothing away and gives nothing. */
  async #compare(name: string): Promise<void> {
    const before: Folders = this.#seen.get(name) ?? new Map();
    const now = byName(this.folders(name));
    const isSure = !this.#unsure.delete(name);
    this.#seen.set(name, now);
    for (const [key, folder] of before) {
      if (now.has(key)) continue;
      await follow(this.#place.instances, name, key, undefined);
      this.#tell(name, { kind: "Removed", folder });
    }
    for (const [key, folder] of now) await this.#compareFolder(name, folder, before.get(key), isSure);
  }

  async #compareFolder(
    name: string,
    folder: FoundFolder,
    old: FoundFolder | undefined,
    isSure: boolean,
  ): Promise<void> {
    const isUnsure = !isSure && folder.medium !== undefined;
    const moved = old !== undefined && (old.available !== folder.available || old.mounts !== folder.mounts);
    // Who added it has shown it, and the medium went before it was first looked at here.
    const wentAtOnce = old === undefined && folder.medium !== undefined && !folder.available;
    if (isUnsure || moved || wentAtOnce) {
      await follow(this.#place.instances, name, folder.name, folder.available ? folder : undefined);
    }
    if (old === undefined) this.#tell(name, { kind: "Added", folder });
    else if (isOther(old, folder)) this.#tell(name, { kind: "Changed", folder });
  }

  #tell(name: string, news: LibraryNews): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(news);
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#resources[Symbol.dispose]();
  }
}

function byName(folders: readonly FoundFolder[]): Folders {
  return new Map(folders.map((folder) => [folder.name, folder]));
}

/** Names in a folder; none where there is no such folder, or it cannot be read. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
