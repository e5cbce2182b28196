// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Child, startBroker, startBus, startProxy, type TestBus } from "../tests/support/bus.ts";
import { benchBusMemory, pssMib, quietMilliseconds } from "./busmemory.ts";
import { installBoth } from "./installed.ts";
import { compare, type Line, limit, measureInTurn } from "./measure.ts";
import { appId, dowel, dowelCommand, environment, flatpakCommand } from "./places.ts";

const service = "org.example.Bench";
const policy = ["--filter", `--talk=${service}`, "--talk=org.example.Sender.*"];
/** More connections than a bus of such a short configuration allows. */
const manyConnections =
  '<limit name="max_completed_connections">2000</limit><limit name="max_connections_per_user">2000</limit>';

interface Scenario {
  readonly what: string;
  readonly kind: "calls" | "signals";
  readonly rounds: number;
  /** Calls of each client, or signals, in a round. */
  readonly count: number;
  readonly clients: number;
  readonly bytes: number;
  readonly budget: number;
}

const calls: readonly Scenario[] = [
  { what: "call, empty", kind: "calls", rounds: 101, count: 200, clients: 1, bytes: 0, budget: 0.9 },
  { what: "call, 64 KiB", kind: "calls", rounds: 101, count: 50, clients: 1, bytes: 65_536, budget: 0.9 },
];

const crowds: readonly Scenario[] = [
  { what: "calls of 100 clients, a turn", kind: "calls", rounds: 31, count: 20, clients: 100, bytes: 0, budget: 1 },
  { what: "signal to 50 clients", kind: "signals", rounds: 31, count: 40, clients: 50, bytes: 0, budget: 1 },
];

/** Sockets of one bus: by way of Dowel, of xdg-dbus-proxy, of a relay that only moves bytes, and its own. */
type Sockets = readonly [string, string, string, string];

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/**
 * Microseconds through each socket, in short rounds that take turns: what else the machine does meets all of them. The
 * ratio is the median of those of the rounds.
 */
function compareWays(program: string, bus: string, sockets: Sockets, scenario: Scenario): Line {
  const { what, kind, rounds, count, clients, bytes, budget } = scenario;
  const name = kind === "calls" ? service : sockets[3];
  const words = [kind, ...[rounds, count, clients].map(String), name, String(bytes), ...sockets];
  const text = execFileSync(program, words, { encoding: "utf8" }).trim();
  const samples = text.split("\n").map((line) => line.split(" ").map(Number));
  const [mine, theirs, relay, none] = sockets.map((_, index) => median(samples.map((round) => round[index] ?? 0)));
  const ratio = median(samples.map(([ours = 0, peer = 0]) => ours / peer));
  return {
    what: `${bus}: ${what}`,
    dowel: `${mine?.toFixed(0)} us`,
    peer: `xdg-dbus-proxy ${theirs?.toFixed(0)} (relay ${relay?.toFixed(0)}, none ${none?.toFixed(0)})`,
    ratio,
    budget: `<= ${budget} of it`,
    kept: ratio <= budget,
  };
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

/** Round trips on one private bus. @param then measures more with the proxies and the bus that are there */
async function benchWays(
  name: string,
  program: string,
  start: (folder: string) => Promise<TestBus>,
  scenarios: readonly Scenario[],
  then: (folder: string, bus: TestBus, gateway: Child) => Promise<Line[]>,
): Promise<Line[]> {
  const folder = mkdtempSync(join(tmpdir(), "dowel-bench-bus-"));
  try {
    await using bus = await start(folder);
    const sockets: Sockets = [join(folder, "dowel"), join(folder, "xdg"), join(folder, "relay"), bus.socket];
    await using gateway = await startProxy([dowel, "plumbing", "bus-proxy"], [bus.address, sockets[0], ...policy]);
    await using _proxy = await startProxy(["xdg-dbus-proxy"], [bus.address, sockets[1], ...policy]);
    await using _server = await startPeer(program, "serve", bus.socket, service);
    await using _relay = await startPeer(program, "relay", sockets[2], bus.socket);
    const lines = scenarios.map((scenario) => compareWays(program, name, sockets, scenario));
    return [...lines, ...(await then(folder, bus, gateway))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startPeer(...words: readonly string[]): Promise<Child> {
  const peer = new Child(words, ["ignore", "pipe", "inherit"]);
  await once(peer.process.stdout ?? peer.process, "data");
  return peer;
}

/** Round trips through the gateway, through xdg-dbus-proxy and without either, and what they need of memory. */
export async function benchBus(): Promise<Line[]> {
  const folder = mkdtempSync(join(tmpdir(), "dowel-bench-bus-"));
  try {
    const program = join(folder, "peer");
    execFileSync("gcc", ["-O2", "-o", program, "bench/bus-peer.c"]);
    const memory = async (place: string, bus: TestBus, gateway: Child): Promise<Line[]> => {
      await sleep(quietMilliseconds);
      const after = limit("memory of the gateway after all that", pssMib(gateway.process.pid ?? 0), "MiB", 45);
      return [after, ...(await benchBusMemory(place, bus))];
    };
    return [
      ...(await benchWays(
        "dbus-daemon",
        program,
        (place) => startBus(place, manyConnections),
        [...calls, ...crowds],
        memory,
      )),
      ...(await benchWays("dbus-broker", program, startBroker, calls, async () => [])),
      await greeting(folder),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
