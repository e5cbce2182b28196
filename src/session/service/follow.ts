// SPDX-License-Identifier: Apache-2.0
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { EventLoop } from "../../loop/loop.ts";
import { globalOverrides, overridesPath } from "../../metadata/overrides.ts";
import { onFileChange } from "../portals/source.ts";

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
  readonly #renew: (concerns: (app: string) => boolean) => Promise<void>;
  readonly #watches: readonly Disposable[];
  /** What identifies the content of each file, by its path. */
  #seen: ReadonlyMap<string, string>;
  #changed = new Set<string>();
  #timer: Disposable | undefined;
  #renewing = false;

  /**
   * @param installations folders of installations
   * @param renew lets the apps follow that are concerned, and asks `isOutdated` before it does; throws nothing
   */
  constructor(
    loop: EventLoop,
    installations: readonly string[],
    renew: (concerns: (app: string) => boolean) => Promise<void>,
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

  async #follow(): Promise<void> {
    if (this.#renewing) return;
    this.#renewing = true;
    while (this.#changed.size > 0) {
      const changed = this.#changed;
      this.#changed = new Set();
      await this.#renew((app) => [...changed].some((name) => concerns(name, app)));
    }
    this.#renewing = false;
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
