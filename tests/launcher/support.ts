// SPDX-License-Identifier: Apache-2.0
import { execFileSync, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { encodePlan, type MountOperation, type Plan } from "../../src/sandbox/plan/index.ts";

const repository = resolve(import.meta.dir, "../..");
const output = join(repository, "build/check");

/** Builds the launcher, the probe and the sanitized checker; make does only what is out of date. */
export function buildLauncher(): void {
  execFileSync("make", ["-s", "-C", join(repository, "launcher"), `OUT=${output}`, "all", "probe", "sanitize"]);
}

export const launcher = join(output, "dowel");
export const probe = join(output, "probe");
export const planCheck = join(output, "plan-check");

/** An ordinary user without an account. */
export const ordinaryUser = 65_533;

/** A folder for one test file, open to the ordinary user; removed with `using`. */
export class Workspace {
  readonly path: string;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), "dowel-launcher-"));
    chmodSync(this.path, 0o755);
    for (const name of ["proc", "dev", "run", "tmp", "home", "data", "etc"]) this.folder(join("config", name));
    writeFileSync(join(this.path, "config/etc/empty"), "");
    this.folder("image/bin");
    copyFileSync(probe, join(this.path, "image/bin/probe"));
    chmodSync(join(this.path, "image/bin/probe"), 0o755);
    writeFileSync(join(this.path, "image/bin/plain"), "not a program");
  }

  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  folder(name: string, owner = 0, mode = 0o755): string {
    const path = this.join(name);
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
    chownSync(path, owner, owner);
    return path;
  }

  file(name: string, content: string | Uint8Array, owner = 0): string {
    const path = this.join(name);
    writeFileSync(path, content);
    chownSync(path, owner, owner);
    return path;
  }

  /** A plan with /proc, /dev, /run and /tmp that runs the probe; the changes replace whole members. */
  plan(changes: Partial<Plan> = {}, more: readonly MountOperation[] = []): Plan {
    return {
      key: [],
      record: [],
      namespaces: { network: true, ipc: true },
      hostname: undefined,
      lowers: [this.join("config"), this.join("image")],
      held: [],
      mounts: [
        { kind: "proc", target: "/proc" },
        { kind: "dev", target: "/dev" },
        { kind: "tmpfs", target: "/run", mode: 0o755, size: 0 },
        { kind: "tmpfs", target: "/tmp", mode: 0o1777, size: 0 },
        ...more,
      ],
      environment: { clear: true, set: [["PATH", "/bin"]], unset: [] },
      seccomp: new Uint8Array(0),
      cwd: "/",
      command: ["/bin/probe"],
      dieWithParent: false,
      ...changes,
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface LaunchOptions {
  readonly user?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

let planNumber = 0;

/** Writes the plan to a file that only its descriptor leads to. */
function openPlan(workspace: Workspace, plan: Plan | Uint8Array): number {
  const path = workspace.join(`plan-${planNumber++}`);
  writeFileSync(path, plan instanceof Uint8Array ? plan : encodePlan(plan));
  const fd = openSync(path, "r");
  rmSync(path);
  return fd;
}

function spawnOptions(options: LaunchOptions, stdio: SpawnOptions["stdio"]) {
  const identity = options.user === undefined ? {} : { uid: options.user, gid: options.user };
  return { argv0: "dowel-launch", env: { ...options.environment }, cwd: options.cwd ?? "/", stdio, ...identity };
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The records that the probe printed. */
  readonly records: readonly Record<string, unknown>[];
}

function parseRecords(stdout: string): Record<string, unknown>[] {
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line));
}

/** Runs a plan to its end. */
export function launch(
  workspace: Workspace,
  plan: Plan | Uint8Array,
  words: readonly string[] = [],
  options: LaunchOptions = {},
): Outcome {
  const fd = openPlan(workspace, plan);
  const result = spawnSync(launcher, ["3", ...words], {
    ...spawnOptions(options, ["ignore", "pipe", "pipe", fd]),
    timeout: 20_000,
  });
  closeSync(fd);
  const stdout = result.stdout.toString();
  return { code: result.status, stdout, stderr: result.stderr.toString(), records: parseRecords(stdout) };
}

/** The first record that the probe printed; fails with what was printed instead. */
export function firstRecord(outcome: Outcome): Record<string, unknown> {
  const record = outcome.records[0];
  if (record === undefined)
    throw new Error(`No record (exit code ${outcome.code}): ${outcome.stdout}${outcome.stderr}`);
  return record;
}

/** Runs a plan with a failure report; returns the report, empty where the app started. */
export function launchWithReport(workspace: Workspace, plan: Plan | Uint8Array, words: readonly string[] = []) {
  const fd = openPlan(workspace, plan);
  const report = workspace.join("report");
  const reportFd = openSync(report, "w");
  const result = spawnSync(launcher, ["--report=4", "3", ...words], {
    ...spawnOptions({}, ["ignore", "pipe", "pipe", fd, reportFd]),
    timeout: 20_000,
  });
  closeSync(fd);
  closeSync(reportFd);
  return { code: result.status, stderr: result.stderr.toString(), report: readFileSync(report, "utf8") };
}

/** Starts a plan and leaves it running; `line` waits for the next line of its output. */
export function start(workspace: Workspace, plan: Plan, words: readonly string[], options: LaunchOptions = {}) {
  const fd = openPlan(workspace, plan);
  const child = spawn(launcher, ["3", ...words], spawnOptions(options, ["ignore", "pipe", "inherit", fd]));
  closeSync(fd);
  const exited = new Promise<{ code: number | null; signal: string | null }>((done) => {
    child.on("exit", (code, signal) => done({ code, signal }));
  });
  const lines = lineReader(child.stdout);
  return { child, exited, ...lines };
}

export function lineReader(stream: NodeJS.ReadableStream | null) {
  if (stream === null) throw new Error("The output is not a pipe");
  let text = "";
  let waiting: (() => void) | undefined;
  let ended = false;
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    waiting?.();
  });
  const closed = new Promise<void>((done) => {
    stream.on("close", () => {
      ended = true;
      waiting?.();
      done();
    });
  });
  async function line(): Promise<string> {
    while (!text.includes("\n")) {
      if (ended) throw new Error(`The output ended after ${JSON.stringify(text)}`);
      await new Promise<void>((done) => {
        waiting = done;
      });
    }
    const end = text.indexOf("\n");
    const first = text.slice(0, end);
    text = text.slice(end + 1);
    return first;
  }
  return { line, closed };
}
