// SPDX-License-Identifier: Apache-2.0
import { type ChildProcessByStdio, execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { follow } from "../src/engine/library/follow.ts";
import { makeLayout, Sandpit } from "../tests/e2e/support.ts";
import { startBus } from "../tests/support/bus.ts";
import { compareCpu, type Line, limit, measureInTurn } from "./measure.ts";
import { dowel } from "./places.ts";

const id = "org.example.Probe";
const rounds = 11;
const deadlineMilliseconds = 60_000;
const budgetMilliseconds = 10;
/** The program mount(8) is part of it. */
const mediumMilliseconds = 50;

/** Milliseconds since 1970, with their fractions. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** A running app that says when it sees folders of its library, and when they have gone. */
class Watcher {
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    child.stdout.setEncoding("utf8");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** What it says next. Throws where it says nothing for a minute. */
  async line(): Promise<string> {
    const late = sleep(deadlineMilliseconds, undefined, { ref: false }).then(() => {
      throw new Error(`The app has said nothing for ${deadlineMilliseconds / 1000} s`);
    });
    const { value, done } = await Promise.race([this.#lines.next(), late]);
    if (done === true) throw new Error("The app has ended");
    return String(value);
  }

  /** Milliseconds from a moment until the app saw the folder that was to come. */
  async since(start: number, name: string): Promise<number> {
    const [seen, time = ""] = (await this.line()).split(" ");
    if (seen !== name) throw new Error(`The app saw ${seen}, not ${name}`);
    return Number(time) / 1e6 - start;
  }

  async gone(name: string): Promise<void> {
    const seen = await this.line();
    if (seen !== `-${name}`) throw new Error(`The app saw ${seen}, not that ${name} has gone`);
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function repeat(measure: (round: number) => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) values.push(await measure(round));
  return median(values);
}

/** From the order that the service gives until the app can use the folder. */
async function ordered(pit: Sandpit, watcher: Watcher, path: string): Promise<number> {
  const instances = pit.path("run/.flatpak");
  return await repeat(async (round) => {
    const name = `ordered-${round}`;
    const start = now();
    const done = follow(instances, id, name, { path, access: "rw", device: undefined });
    const taken = await watcher.since(start, name);
    await done;
    await follow(instances, id, name, undefined);
    await watcher.gone(name);
    return taken;
  });
}

/** From the start of mount(8) until the app can use a folder of the medium; undefined without loop devices. */
async function mounted(pit: Sandpit, watcher: Watcher): Promise<number | undefined> {
  if (spawnSync("losetup", ["--find"]).status !== 0) return undefined;
  const [image, stick] = [pit.path("image"), pit.path("work/stick")];
  mkdirSync(stick);
  writeFileSync(image, "");
  truncateSync(image, 4 << 20);
  execFileSync("mkfs.ext4", ["-q", "-F", image]);
  const device = execFileSync("losetup", ["--find", "--show", image], { encoding: "utf8" }).trim();
  try {
    execFileSync("mount", [device, stick]);
    writeFileSync(`${stick}/marker`, "");
    pit.succeed(["library", "add", id, stick]);
    await watcher.line();
    return await repeat(async () => {
      execFileSync("umount", [stick]);
      await watcher.gone("stick");
      const start = now();
      execFileSync("mount", [device, stick]);
      return await watcher.since(start, "stick");
    });
  } finally {
    // It may be unmounted already, where something went wrong.
    spawnSync("umount", [stick]);
    execFileSync("losetup", ["--detach", device]);
  }
}

/** The command, which also writes durably and shows the folder, beside one that only looks. */
function commands(pit: Sandpit, path: string): Line[] {
  const { environment } = pit;
  const [add, list] = measureInTurn(
    [
      { words: [dowel, "library", "add", id, path], environment },
      { words: [dowel, "library", "list", id], environment },
    ],
    rounds,
  );
  if (!add || !list) throw new Error("unreachable");
  return [compareCpu("dowel library add", add, "dowel library list", list, 2)];
}

/** How long it takes until a running app sees a folder. */
export async function benchLibrary(): Promise<Line[]> {
  using pit = new Sandpit();
  const [folder, program] = [pit.path("work/folder"), pit.path("work/watch")];
  mkdirSync(folder);
  writeFileSync(`${folder}/marker`, "");
  execFileSync("gcc", ["-O2", "-Wall", "-Werror", "-static", "-o", program, "bench/library-watch.c"]);
  pit.succeed(["install", "--user", "-y", `oci:${makeLayout(pit.path("images"))}`, id]);
  await using bus = await startBus(pit.path("run"));
  const words = ["run", `--filesystem=${pit.path("work")}:ro`, `--command=${program}`, id];
  const { child, outcome } = pit.start(words, { DBUS_SESSION_BUS_ADDRESS: bus.address });
  try {
    return await measureAll(pit, new Watcher(child), folder);
  } finally {
    child.kill("SIGTERM");
    await outcome;
  }
}

async function measureAll(pit: Sandpit, watcher: Watcher, folder: string): Promise<Line[]> {
  await watcher.line();
  const comes = await ordered(pit, watcher, folder);
  const medium = await mounted(pit, watcher);
  return [
    limit("a folder comes into a running app", comes, "ms", budgetMilliseconds),
    ...(medium === undefined ? [] : [limit("the same of a medium, from its mount", medium, "ms", mediumMilliseconds)]),
    ...commands(pit, folder),
  ];
}
