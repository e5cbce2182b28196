// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Command {
  readonly words: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the kernel counts the bytes of the interfaces that it uses; `/proc/net/dev` if not given. */
  readonly interfaces?: string;
  /** Brings things back to where the command can be run again; not measured. */
  readonly before?: () => void;
  /** Whether the peak of its memory is wanted, for which it runs under time(1). */
  readonly withPeak?: boolean;
}

export interface Figures {
  /** Median wall time, milliseconds. */
  readonly wall: number;
  /** Median time that processors spent, user and kernel, milliseconds: what a busy machine changes least. */
  readonly cpu: number;
  /** Largest resident set of the process or one of its children, MiB; NaN where it was not asked for. */
  readonly peak: number;
  /** Bytes that came over loopback meanwhile, whoever they were for: what the servers sent, requests and headers too. */
  readonly received: number;
}

function loopbackBytes({ interfaces = "/proc/net/dev" }: Command): number {
  return Number(/^ *lo: *([0-9]+)/m.exec(readFileSync(interfaces, "utf8"))?.[1] ?? 0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Runs a command; throws with its output where it fails. */
export function execute(command: Command): void {
  const [program = "", ...words] = command.words;
  const result = spawnSync(program, words, {
    env: { ...process.env, ...command.environment },
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 28,
  });
  if (result.status !== 0) {
    throw new Error(
      `${command.words.join(" ")} ended with ${result.status}: ${result.error ?? ""}${result.stdout}${result.stderr}`,
    );
  }
}

function measureOnce(command: Command): Figures {
  command.before?.();
  // What the one before left to be written would be counted to this one, which waits for the disk.
  execute({ words: ["sync"] });
  const folder = mkdtempSync(join(tmpdir(), "dowel-bench-"));
  const peakFile = join(folder, "peak");
  const time = command.withPeak === true ? ["time", "--format=%M", `--output=${peakFile}`] : [];
  const before = loopbackBytes(command);
  const start = performance.now();
  const result = Bun.spawnSync([...time, ...command.words], {
    env: { ...process.env, ...command.environment },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const wall = performance.now() - start;
  if (result.exitCode !== 0)
    throw new Error(`${command.words.join(" ")} ended with ${result.exitCode}: ${result.stderr.toString()}`);
  // Not the child's own figure: what vfork(2) made counts the memory of its maker as its own.
  const peak = command.withPeak === true ? Number(readFileSync(peakFile, "utf8")) / 1024 : Number.NaN;
  rmSync(folder, { recursive: true });
  return {
    wall,
    cpu: Number(result.resourceUsage?.cpuTime.total ?? 0) / 1000,
    peak,
    received: loopbackBytes(command) - before,
  };
}

/** Measures commands in turn, so that what else the machine does meets all of them; one warm-up each. */
export function measureInTurn(commands: readonly Command[], times: number, warmUp = true): Figures[] {
  if (warmUp) for (const command of commands) measureOnce(command);
  const samples = commands.map((): Figures[] => []);
  for (let round = 0; round < times; round++) {
    commands.forEach((command, index) => {
      samples[index]?.push(measureOnce(command));
    });
  }
  return samples.map((list) => ({
    wall: median(list.map(({ wall }) => wall)),
    cpu: median(list.map(({ cpu }) => cpu)),
    peak: Math.max(...list.map(({ peak }) => peak)),
    received: median(list.map(({ received }) => received)),
  }));
}

export interface Line {
  readonly what: string;
  readonly dowel: string;
  readonly peer: string;
  readonly ratio?: number;
  readonly budget: string;
  readonly kept: boolean;
}

/** A line that compares wall times. */
export function compare(what: string, dowel: Figures, peerName: string, peer: Figures, budget: number): Line {
  const ratio = dowel.wall / peer.wall;
  return {
    what,
    dowel: `${dowel.wall.toFixed(1)} ms`,
    peer: `${peerName} ${peer.wall.toFixed(1)} ms`,
    ratio,
    budget: `<= ${budget} of it`,
    kept: ratio <= budget,
  };
}

/** A line that compares the time of processors, which what else the machine does changes least. */
export function compareCpu(what: string, dowel: Figures, peerName: string, peer: Figures, budget: number): Line {
  return compare(
    `${what}: processor time`,
    { ...dowel, wall: dowel.cpu },
    peerName,
    { ...peer, wall: peer.cpu },
    budget,
  );
}

/** A line that holds a figure to a limit of its own. */
export function limit(what: string, value: number, unit: string, most: number): Line {
  return { what, dowel: `${value.toFixed(1)} ${unit}`, peer: "", budget: `<= ${most} ${unit}`, kept: value <= most };
}

export function printLines(lines: readonly Line[]): void {
  for (const { what, dowel, peer, ratio, budget, kept } of lines) {
    const shown = ratio === undefined ? "" : `ratio ${ratio.toFixed(3)}`;
    process.stdout.write(
      `${kept ? "kept  " : "MISSED"}  ${what.padEnd(44)} ${dowel.padStart(12)}  ${peer.padEnd(28)} ${shown.padEnd(12)} budget ${budget}\n`,
    );
  }
}
