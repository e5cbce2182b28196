// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FakeSandbox, ServiceProcess } from "../tests/session/service/support.ts";
import { Child, RawPeer, startProxy, type TestBus } from "../tests/support/bus.ts";
import { type Line, limit } from "./measure.ts";
import { environment } from "./places.ts";

/** After this long without traffic the gateway has given back what it does not need; the engine's own threads end late. */
export const quietMilliseconds = 25_000;

const service = "org.example.Bench";
const app = "org.example.App";
const manyApps = 10;
/** Of an app as most are: a desktop's, with one name to talk to on the system bus. */
const policies = {
  session: [
    "--filter",
    `--own=${app}.*`,
    `--own=org.mpris.MediaPlayer2.${app}.*`,
    `--talk=${service}`,
    "--call=org.freedesktop.portal.*=*",
    "--broadcast=org.freedesktop.portal.*=@/org/freedesktop/portal/*",
  ],
  system: ["--filter", `--talk=${service}`],
  a11y: ["--filter", "--sloppy-names", `--call=${service}=*`],
} as const;
const buses = ["session", "system", "a11y"] as const;

/** What was measured at once after the calls, and when all had been quiet for a while. In MiB. */
interface Memory {
  readonly busy: number;
  readonly quiet: number;
}

export function pssMib(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1]) / 1024;
}

function sum(pids: readonly number[]): number {
  return pids.reduce((total, pid) => total + pssMib(pid), 0);
}

async function measure(pids: readonly number[]): Promise<Memory> {
  const busy = sum(pids);
  await sleep(quietMilliseconds);
  return { busy, quiet: sum(pids) };
}

/** An app's connection, on which it has made a call. */
async function connected(socket: string, stack: AsyncDisposableStack): Promise<void> {
  const client = stack.use(await RawPeer.connect(socket));
  await client.ask({ destination: service, path: "/", member: "Echo" });
}

/** The session service with some apps, each of which has a connection to each bus. */
async function serviceMemory(folder: string, bus: string, apps: number): Promise<Memory> {
  const runtime = mkdtempSync(join(folder, "runtime-"));
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await ServiceProcess.start(runtime));
  for (let number = 1; number <= apps; number++) {
    const sandbox = stack.use(new FakeSandbox(runtime, String(number), bus, buses));
    const words = buses.flatMap((name) => [name, ...policies[name]]);
    sandbox.handOver(join(runtime, "dowel/session.sock"), [app, ...words]);
    for (const name of buses) await connected(sandbox.socketOf(name), stack);
  }
  return await measure([session.process.pid ?? 0]);
}

/** The words by which Flatpak 1.16 starts a proxy: all of the root but with a `/.flatpak-info` of the app's. */
function wrapped(folder: string): string[] {
  const entries = readdirSync("/").flatMap((name) => {
    const [path, found] = [`/${name}`, lstatSync(`/${name}`)];
    if (found.isSymbolicLink()) return ["--symlink", readlinkSync(path), path];
    if (!found.isDirectory()) return [];
    return [["tmp", "var", "run"].includes(name) ? "--bind" : "--ro-bind", path, path];
  });
  return ["bwrap", ...entries, "--bind", folder, folder, "--", "xdg-dbus-proxy"];
}

/** A proxy for each app, in a bubblewrap of its own, which stays; one proxy serves all three buses of its app. */
async function proxiesMemory(folder: string, address: string, apps: number): Promise<Memory> {
  await using stack = new AsyncDisposableStack();
  const pids: number[] = [];
  for (let number = 1; number <= apps; number++) {
    const place = join(folder, `proxy-${number}`);
    mkdirSync(place);
    const words = buses.flatMap((name) => [address, join(place, name), ...policies[name]]);
    const { process: wrapper } = stack.use(await startProxy(wrapped(place), words));
    for (const name of buses) await connected(join(place, name), stack);
    const { pid = 0 } = wrapper;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
    pids.push(pid, ...(children === "" ? [] : children.split(" ").map(Number)));
  }
  return await measure(pids);
}

/** Flatpak's own services of a session, which run beside the proxies; what they do the service does. */
async function helpersMemory(address: string, bus: string): Promise<readonly number[]> {
  await using stack = new AsyncDisposableStack();
  const watcher = stack.use(await RawPeer.connect(bus));
  const variables = { PATH: process.env["PATH"] ?? "", ...environment, DBUS_SESSION_BUS_ADDRESS: address };
  const started: Child[] = [];
  for (const [program, name] of [
    ["flatpak-session-helper", "org.freedesktop.Flatpak"],
    ["flatpak-portal", "org.freedesktop.portal.Flatpak"],
  ] as const) {
    started.push(stack.use(new Child([`/usr/libexec/${program}`], ["ignore", "ignore", "ignore"], variables)));
    while ((await watcher.callBus("NameHasOwner", name)).values[0] !== 1) await sleep(5);
  }
  await sleep(quietMilliseconds);
  return started.map((child) => pssMib(child.process.pid ?? 0));
}

/** A program that only waits in the service's own loop, compiled as it is: what the engine takes in any case. */
async function floorMemory(folder: string): Promise<number> {
  const program = join(folder, "idle");
  const words = ["build", "--compile", "--bytecode", "--splitting", "--format=esm", "--minify-syntax"];
  execFileSync(process.execPath, [...words, "bench/idle.ts", "--outfile", program], { stdio: "ignore" });
  const variables = { PATH: process.env["PATH"] ?? "", BUN_JSC_numberOfGCMarkers: "1", BUN_GC_TIMER_DISABLE: "1" };
  await using idle = new Child([program], ["ignore", "pipe", "inherit"], variables);
  await once(idle.process.stdout ?? idle.process, "data");
  await sleep(quietMilliseconds);
  return pssMib(idle.process.pid ?? 0);
}

/** A figure without a limit. */
function told(what: string, mine: number, peer: string): Line {
  return { what, dowel: `${mine.toFixed(1)} MiB`, peer, budget: "", kept: true };
}

/**
 * What buses take of memory, when nothing has happened for a while. Measured on a quiet machine with two cores: the service
 * 8.0 MiB with one app, 10.2 with ten, 18.0 with 100; ten proxies 10.3. A program that only waits in the same loop, which
 * is what the engine takes in any case, has 6.2 MiB of it.
 */
export async function benchBusMemory(folder: string, { socket, address }: TestBus): Promise<Line[]> {
  const mine = await serviceMemory(folder, socket, manyApps);
  const theirs = await proxiesMemory(folder, address, manyApps);
  const one = await serviceMemory(folder, socket, 1);
  const hundred = await serviceMemory(folder, socket, 100);
  const [helper = 0, portal = 0] = await helpersMemory(address, socket);
  return [
    limit("memory of the service, one app", one.quiet, "MiB", 45),
    {
      what: "memory of the service, ten apps",
      dowel: `${mine.quiet.toFixed(1)} MiB`,
      peer: `ten proxies ${theirs.quiet.toFixed(1)} MiB`,
      ratio: mine.quiet / theirs.quiet,
      budget: "<= 1 of it",
      kept: mine.quiet <= theirs.quiet,
    },
    told("the same, at once after calls", mine.busy, `ten proxies ${theirs.busy.toFixed(1)} MiB`),
    told(
      "the same, and Flatpak's own services",
      mine.quiet,
      `session-helper ${helper.toFixed(1)}, portal ${portal.toFixed(1)} MiB more`,
    ),
    told("memory of a program that only waits", await floorMemory(folder), ""),
    limit("memory of the service, 100 apps", hundred.quiet, "MiB", 60),
  ];
}
