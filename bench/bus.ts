// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FakeSandbox, ServiceProcess } from "../tests/session/service/support.ts";
import { Child, RawPeer, startBus, startProxy } from "../tests/support/bus.ts";
import { installBoth } from "./installed.ts";
import { compare, type Line, limit, measureInTurn } from "./measure.ts";
import { appId, dowel, dowelCommand, environment, flatpakCommand } from "./places.ts";

const service = "org.example.Bench";
const policy = ["--filter", `--talk=${service}`, "--talk=org.example.Sender"];
const rounds = 7;
const warmUps = 2;
/** After this long without traffic the gateway has given back what it does not need. */
const quietMilliseconds = 10_000;

interface Scenario {
  readonly what: string;
  /** Words behind the socket. */
  readonly words: (bus: string) => readonly string[];
  readonly kind: "calls" | "signals";
  readonly budget: number;
}

const scenarios: readonly Scenario[] = [
  { what: "bus call, empty", kind: "calls", words: () => [service, "0", "4000", "1"], budget: 0.9 },
  { what: "bus call, 64 KiB", kind: "calls", words: () => [service, "65536", "1500", "1"], budget: 0.9 },
  {
    what: "bus calls of 100 clients at once, a turn",
    kind: "calls",
    words: () => [service, "0", "60", "100"],
    budget: 1,
  },
  { what: "signal to 50 clients", kind: "signals", words: (bus) => ["100", bus, "50"], budget: 1 },
];

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Microseconds of a scenario through each socket, measured in turn. */
function measure(program: string, { kind, words }: Scenario, bus: string, sockets: readonly string[]): number[] {
  const samples = sockets.map((): number[] => []);
  for (let round = -warmUps; round < rounds; round++) {
    sockets.forEach((socket, index) => {
      const text = execFileSync(program, [kind, socket, ...words(bus)], { encoding: "utf8" });
      if (round >= 0) samples[index]?.push(Number(text));
    });
  }
  return samples.map(median);
}

function pssMib(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1]) / 1024;
}

/** What the session service needs with some apps, each of which has one connection and has made a call. */
async function serviceMemory(folder: string, bus: string, apps: number): Promise<number> {
  const runtime = mkdtempSync(join(folder, "runtime-"));
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await ServiceProcess.start(runtime));
  for (let number = 1; number <= apps; number++) {
    const sandbox = stack.use(new FakeSandbox(runtime, String(number), bus));
    sandbox.handOver(join(runtime, "dowel/session.sock"), ["org.example.App", "session", ...policy]);
    const client = stack.use(await RawPeer.connect(sandbox.socket));
    await client.ask({ destination: service, path: "/", member: "Echo" });
  }
  await sleep(quietMilliseconds);
  return pssMib(session.process.pid ?? 0);
}

/** The start of a program that greets the bus. */
async function greeting(folder: string): Promise<Line> {
  await installBoth();
  await using bus = await startBus(mkdtempSync(join(folder, "session-")));
  const program = join(environment["HOME"] ?? "", "bus-peer");
  execFileSync("gcc", ["-O2", "-static", "-o", program, "bench/bus-peer.c"]);
  const words = ["run", `--command=${program}`, appId, "hello", "/run/flatpak/bus"];
  const commands = [dowelCommand(...words), flatpakCommand(...words)].map((command) => ({
    ...command,
    environment: { ...command.environment, DBUS_SESSION_BUS_ADDRESS: bus.address },
  }));
  const [mine, peer] = measureInTurn(commands, 15);
  if (!mine || !peer) throw new Error("unreachable");
  return compare("start, warm, of a program that greets the bus", mine, "flatpak run", peer, 0.2);
}

/** Round trips through the gateway, through xdg-dbus-proxy and without either, on one private bus. */
export async function benchBus(): Promise<Line[]> {
  const folder = mkdtempSync(join(tmpdir(), "dowel-bench-bus-"));
  try {
    const program = join(folder, "peer");
    execFileSync("gcc", ["-O2", "-o", program, "bench/bus-peer.c"]);
    await using bus = await startBus(folder);
    await using server = new Child([program, "serve", bus.socket, service], ["ignore", "pipe", "inherit"]);
    await once(server.process.stdout ?? server.process, "data");
    const sockets = [join(folder, "dowel"), join(folder, "xdg")] as const;
    await using gateway = await startProxy([dowel, "plumbing", "bus-proxy"], [bus.address, sockets[0], ...policy]);
    await using _peer = await startProxy(["xdg-dbus-proxy"], [bus.address, sockets[1], ...policy]);
    const lines = scenarios.map((scenario): Line => {
      const [mine = 0, theirs = 0, direct = 0] = measure(program, scenario, bus.socket, [...sockets, bus.socket]);
      return {
        what: scenario.what,
        dowel: `${mine.toFixed(0)} us`,
        peer: `xdg-dbus-proxy ${theirs.toFixed(0)}, none ${direct.toFixed(0)}`,
        ratio: mine / theirs,
        budget: `<= ${scenario.budget} of it`,
        kept: mine / theirs <= scenario.budget,
      };
    });
    await sleep(quietMilliseconds);
    lines.push(limit("memory of the gateway after all that", pssMib(gateway.process.pid ?? 0), "MiB", 45));
    lines.push(limit("memory of the service, one app", await serviceMemory(folder, bus.socket, 1), "MiB", 45));
    lines.push(limit("memory of the service, 100 apps", await serviceMemory(folder, bus.socket, 100), "MiB", 60));
    lines.push(await greeting(folder));
    return lines;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
