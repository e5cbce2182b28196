// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import type { Trial } from "./trial.ts";

/** How a file system is made and mounted for a power cut: it writes to its device nothing but what is asked for. */
export interface FileSystem {
  readonly name: string;
  readonly size: string;
  readonly make: readonly string[];
  readonly mount: string;
}

/** The journal waits five minutes. */
export const ext4: FileSystem = {
  name: "ext4",
  size: "24M",
  make: ["mkfs.ext4", "-q", "-J", "size=4"],
  mount: "loop,commit=300",
};

/** A device with the installation of a trial on it, of which the power can be cut. */
export class TrialDevice {
  readonly #trial: Trial;
  readonly #fileSystem: FileSystem;
  #copies = 0;
  #running = "";
  #damaged = false;

  constructor(trial: Trial, fileSystem: FileSystem, states: readonly string[]) {
    this.#trial = trial;
    this.#fileSystem = fileSystem;
    for (const state of states) this.#save(state);
  }

  #image(name: string): string {
    return this.#trial.pit.path(`${name}.img`);
  }

  #save(state: string): void {
    const { trial, store } = { trial: this.#trial, store: this.#trial.store };
    const { size, make } = this.#fileSystem;
    rmSync(this.#image(state), { force: true });
    execFileSync("truncate", ["-s", size, this.#image(state)]);
    execFileSync(make[0] ?? "", [...make.slice(1), this.#image(state)], { stdio: "ignore" });
    trial.unmount();
    mkdirSync(store, { recursive: true });
    execFileSync("mount", ["-o", "loop", this.#image(state), store]);
    rmSync(`${store}/lost+found`, { recursive: true, force: true });
    execFileSync("cp", ["-a", `${trial.pit.path(`saved-${state}`)}/.`, store]);
    this.unmount();
  }

  unmount(): void {
    this.#trial.unmount();
    // The kernel lets go of composefs mounts a little later, so this must not wait for them.
    spawnSync("umount", ["-l", this.#trial.store]);
  }

  #mount(name: string): void {
    execFileSync("mount", ["-o", this.#fileSystem.mount, this.#image(name), this.#trial.store]);
    if (this.#trial.shownAs !== "composefs") return;
    if (this.#damaged) this.#trial.pit.dowel(["plumbing", "mount", "--user"]);
    else this.#trial.pit.succeed(["plumbing", "mount", "--user"]);
  }

  /** A copy under a name of its own, since the device of an earlier one may still be in use. */
  #copy(from: string): string {
    this.#copies += 1;
    execFileSync("cp", ["--sparse=always", this.#image(from), this.#image(`copy-${this.#copies}`)]);
    rmSync(this.#image(`copy-${this.#copies - 4}`), { force: true });
    return `copy-${this.#copies}`;
  }

  /** Brings a state back. Of a damaged one, and what comes of it, images may be missing. */
  begin(state: string, damaged = false): void {
    this.#damaged = damaged;
    this.unmount();
    this.#running = this.#copy(state);
    this.#mount(this.#running);
  }

  /** What is on the device now is all that is left. */
  cutThePower(): void {
    const left = this.#copy(this.#running);
    this.unmount();
    this.#mount(left);
  }
}
