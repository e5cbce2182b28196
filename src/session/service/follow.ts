// SPDX-License-Identifier: Apache-2.0
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { EventLoop } from "../../loop/loop.ts";
import { globalOverrides, overridesPath } from "../../metadata/overrides.ts";
import { onFileChange } from "../portals/source.ts";
import type { KeptPolicy } from "./policy.ts";

/** Who writes a file makes several changes; this long after the first one it is looked at. */
const settleMilliseconds = 20;

/** Whose overrides a file holds: `ID`, `ID@PROFILE`, or all apps. */
function concerns(name: string, app: string): boolean {
  return name === globalOverrides || name === app || name.startsWith(`${app}@`);
}

/** Notices when overrides files change, whoever changes them: by hand, by a command, or with restored data. */
export class OverrideFollower implements Disposable {
  readonly #loop: EventLoop;
  readonly #folders: readonly string[];
  readonly #renew: (concerns: (app: string) => boolean) => Promise<readonly KeptPolicy[]>;
  readonly #watches: readonly Disposable[];
  /** What identifies the content of each file, by its path. */
  #seen: ReadonlyMap<string, string>;
  #changed = new Set<string>();
  #timer: Disposable | undefined;
  #following: Promise<readonly KeptPolicy[]> | undefined;

  /**
   * @param installations folders of installations
   * @param renew lets the apps follow that are concerned, and asks `isOutdated` before it does; throws nothing, and answers
   *   those that could not
   */
  constructor(
    loop: EventLoop,
    installations: readonly string[],
    renew: (concerns: (app: string) => boolean) => Promise<readonly KeptPolicy[]>,
  ) {
    this.#loop = loop;
    this.#renew = renew;
    const files = installations.map((path) => overridesPath(path, undefined));
    this.#folders = files.map((path) => dirname(path));
    this.#watches = files.flatMap((path) => this.#watch(path));
    this.#seen = this.#states();
  }

  /** Whether what was read of an app's overrides before this moment no longer counts; then it is renewed again. */
  isOutdated(app: string): boolean {
    this.#look();
    return [...this.#changed].some((name) => concerns(name, app));
  }

  #watch(path: string): Disposable[] {
    try {
      return [onFileChange(this.#loop, path, () => this.#noticed())];
    } catch {
      // A folder that the user may not read, or no watches left: what `override` tells is followed all the same.
      return [];
    }
  }

  #noticed(): void {
    this.#timer ??= this.#loop.after(settleMilliseconds, () => {
      this.#timer = undefined;
      this.#look();
      void this.#follow();
    });
  }

  #states(): ReadonlyMap<string, string> {
    const states = new Map<string, string>();
    for (const folder of this.#folders) {
      for (const name of namesIn(folder)) {
        const found = statSync(join(folder, name), { throwIfNoEntry: false, bigint: true });
        if (found?.isFile() === true) states.set(join(folder, name), `${found.ino} ${found.size} ${found.mtimeNs}`);
      }
    }
    return states;
  }

  #look(): void {
    const now = this.#states();
    for (const path of new Set([...this.#seen.keys(), ...now.keys()])) {
      if (this.#seen.get(path) !== now.get(path)) this.#changed.add(path.slice(dirname(path).length + 1));
    }
    this.#seen = now;
  }

  /** Lets an app, or all, follow what its overrides say now. Answers those that could not. */
  async follow(app: string | undefined): Promise<readonly KeptPolicy[]> {
    this.#look();
    this.#changed.add(app ?? globalOverrides);
    return await this.#follow();
  }

  /** An app that started at a time, in milliseconds since 1970, is served from now on: its overrides may have changed since. */
  joined(app: string, startedAt: number): void {
    if (this.#changedSince(startedAt)) void this.follow(app);
  }

  #changedSince(time: number): boolean {
    const files = this.#folders.flatMap((folder) => [folder, ...namesIn(folder).map((name) => join(folder, name))]);
    return files.some((path) => (statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0) >= time);
  }

  #follow(): Promise<readonly KeptPolicy[]> {
    this.#following ??= this.#renewChanged().finally(() => {
      this.#following = undefined;
    });
    return this.#following;
  }

  async #renewChanged(): Promise<readonly KeptPolicy[]> {
    const kept: KeptPolicy[] = [];
    while (this.#changed.size > 0) {
      const changed = this.#changed;
      this.#changed = new Set();
      kept.push(...(await this.#renew((app) => [...changed].some((name) => concerns(name, app)))));
    }
    return kept;
  }

  [Symbol.dispose](): void {
    this.#changed.clear();
    this.#timer?.[Symbol.dispose]();
    for (const watch of this.#watches) watch[Symbol.dispose]();
  }
}

/** Names in a folder; none where there is no such folder, or it cannot be read. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
