// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { splitDataName } from "../../metadata/profile.ts";
import { isValidId } from "../../metadata/ref.ts";
import { userPlace } from "../../store/places.ts";
import { syncFolder, writeFileDurably } from "../../sys/durability.ts";
import { lockFile } from "../../sys/locks.ts";
import { formatTimers, parseTimers, type Timer } from "./plan.ts";

/** Whose timers they are: an app's id, or `ID@PROFILE`. */
type Owner = string;

/** What is read whole, without waiting: an app with the home can put a pipe there. */
function textOf(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fileError(error, "read", path);
  }
  try {
    const found = fstatSync(fd);
    if (found.isFile() && found.size <= limits.timerFileBytes) return readFileSync(fd, "utf8");
    throw new DowelError("TIMERS_INVALID", `${path} must be a file of at most ${limits.timerFileBytes} bytes`);
  } finally {
    closeSync(fd);
  }
}

/** The timers of all apps of a user: a file each, `OWNER.json`, beside the user's installation. */
export class TimerFiles {
  readonly #folder: string;

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#folder = `${userPlace(environment).path}/timers`;
  }

  #path(owner: Owner): string {
    const name = splitDataName(owner);
    if (name !== undefined && isValidId(name.id)) return `${this.#folder}/${owner}.json`;
    throw new DowelError("USAGE", `${JSON.stringify(owner)} is no id of an app`);
  }

  /** All that have timers, sorted. */
  owners(): readonly Owner[] {
    try {
      const names = readdirSync(this.#folder).filter((name) => name.endsWith(".json"));
      const owners = names.map((name) => name.slice(0, -".json".length));
      return owners.filter((owner) => isValidId(splitDataName(owner)?.id ?? "")).sort();
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw fileError(error, "read", this.#folder);
    }
  }

  /** Throws `TIMERS_INVALID`. */
  read(owner: Owner): readonly Timer[] {
    const path = this.#path(owner);
    const text = textOf(path);
    return text === undefined ? [] : parseTimers(text, path);
  }

  /** Changes the timers of an owner durably, one change at a time; `change` answers those that are left. */
  async change(
    owner: Owner,
    change: (before: readonly Timer[]) => readonly Timer[],
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#locked(signal, () => {
      const before = this.read(owner);
      const after = change(before);
      if (after.length === 0) this.#remove(owner);
      else if (after !== before) writeFileDurably(this.#path(owner), formatTimers(after), 0o600);
    });
  }

  /** Removes all timers of an owner, also where their file is damaged. */
  async clear(owner: Owner, signal?: AbortSignal): Promise<void> {
    await this.#locked(signal, () => this.#remove(owner));
  }

  #remove(owner: Owner): void {
    rmSync(this.#path(owner), { force: true });
    syncFolder(this.#folder);
  }

  async #locked(signal: AbortSignal | undefined, work: () => void): Promise<void> {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fileError(error, "create", this.#folder);
    }
    using _lock = await lockFile(`${this.#folder}/.lock`, { exclusive: true, signal });
    try {
      work();
    } catch (error) {
      throw errnoOf(error) === undefined ? error : fileError(error, "write", this.#folder);
    }
  }
}
