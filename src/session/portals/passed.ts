// SPDX-License-Identifier: Apache-2.0
import { valueAs } from "../../formats/dbus/types.ts";
import type { CallingApp } from "./app.ts";
import { isWritableFor } from "./opath.ts";
import type { Options } from "./portal.ts";
import { invalid } from "./spawn.ts";

const mostDescriptors = 253;
const highestDescriptor = 1023;

/** The options of `run` for descriptors, and under which numbers they go. */
export class Passed {
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

/** Passes on what the caller shows to the sandbox of its own files, its app and its runtime. Throws where it holds more than a path. */
export function passTrees(passed: Passed, app: CallingApp, options: Options): void {
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
