// SPDX-License-Identifier: Apache-2.0
// Two session services under clients that do anything: main.ts [MINUTES]. One lives all the time; its memory is told, and
// must not grow. The other is killed now and then, and handed its sandboxes again. Fails also where a client that behaves
// is not served.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageFlag, messageType } from "../../src/formats/dbus/header.ts";
import { encodeMessage } from "../../src/formats/dbus/write.ts";
import { askStatus } from "../../src/session/service/status.ts";
import { FakeSandbox, ServiceProcess } from "../session/service/support.ts";
import { busName, RawPeer, startBus } from "../support/bus.ts";

const sandboxes = 10;
const clientsPerSandbox = 6;
/** Sandboxes of the service that is killed. */
const mortalSandboxes = 3;
/** Looks at the memory between start and end. */
const looks = 20;
/** Between two acts of a client, at most: the machine is for others, too. */
const restMilliseconds = 100;
const growthMib = 10;
const policy = [
  "org.test.App",
  "session",
  "--filter",
  "--own=org.test.App.*",
  "--talk=org.test.Echo",
  "--see=org.test.*",
];

/** xorshift32: the same run for the same seed. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  roll(sides: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % sides;
  }
}

/** What a process needs by itself. Its share of the program's file changes with how many others run the same program. */
function ownMib(pid: number): number {
  return Number(/^Pss_Anon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1]) / 1024;
}

/** Garbage that was just made is in any single look. */
function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
}

const say = { path: "/x", interface: "org.test.Echo", member: "Say", destination: "org.test.Echo" };

/** One thing that a client does. Answers whether the connection may be used again. */
async function act(client: RawPeer, dice: Dice): Promise<boolean> {
  switch (dice.roll(10)) {
    case 0:
      // Not a message; whoever sends it is thrown out.
      client.write(Buffer.from(Array.from({ length: 1 + dice.roll(400) }, () => dice.roll(256))));
      client.end();
      return false;
    case 1:
      client.write(encodeMessage({ ...say, type: messageType.call, serial: 7 }).subarray(0, 1 + dice.roll(90)));
      return false;
    case 2:
      for (let count = dice.roll(200); count > 0; count--) client.send({ ...say, type: messageType.signal });
      return true;
    case 3:
      for (let count = dice.roll(200); count > 0; count--)
        client.send({ ...say, type: messageType.call, destination: "org.hidden", flags: messageFlag.noReplyExpected });
      return true;
    case 4:
      await client.callBus("AddMatch", `type='signal',arg0='${dice.roll(1000)}'`);
      return true;
    case 5:
      await client.callBus("RequestName", `org.test.App.N${dice.roll(100)}`);
      return true;
    case 6:
      await client.callBus("ListNames");
      return true;
    default: {
      const body = "x".repeat(dice.roll(dice.roll(4) === 0 ? 400_000 : 60_000));
      const answer = await client.ask({ ...say, signature: "s", body: (writer) => writer.string(body) });
      if (answer?.type !== messageType.return) throw new Error(`A client got no answer: ${answer?.errorName}`);
      return dice.roll(20) > 0;
    }
  }
}

/** What clients did, and how often that ended with their service. */
interface Tally {
  acts: number;
  cut: number;
}

/** When everybody stops: at a time, or with the first failure. */
class Ending {
  #at: number;

  constructor(minutes: number) {
    this.#at = Date.now() + minutes * 60_000;
  }

  get milliseconds(): number {
    return Math.max(0, this.#at - Date.now());
  }

  get isHere(): boolean {
    return this.milliseconds === 0;
  }

  /** Ends all with the failure of one. */
  async with<T>(work: Promise<T>): Promise<T> {
    return await work.catch((error: unknown) => {
      this.#at = 0;
      throw error;
    });
  }
}

async function live(sandbox: FakeSandbox, dice: Dice, end: Ending, tally: Tally, mortal: boolean): Promise<void> {
  while (!end.isHere) {
    try {
      using client = await RawPeer.connect(sandbox.socket);
      do {
        tally.acts++;
        await Bun.sleep(dice.roll(restMilliseconds));
      } while ((await act(client, dice)) && !end.isHere);
    } catch (error) {
      if (!mortal) throw error;
      tally.cut++;
      await Bun.sleep(dice.roll(restMilliseconds));
    }
  }
}

/** Sandboxes of one service, and the lives of their clients. */
class Household {
  readonly #folder: string;
  readonly #all: readonly FakeSandbox[];

  constructor(folder: string, bus: string, count: number, stack: AsyncDisposableStack) {
    this.#folder = folder;
    this.#all = Array.from({ length: count }, (_, index) => stack.use(new FakeSandbox(folder, String(index + 1), bus)));
  }

  get socket(): string {
    return join(this.#folder, "dowel/session.sock");
  }

  async begin(): Promise<ServiceProcess> {
    const service = await ServiceProcess.start(this.#folder);
    for (const sandbox of this.#all) sandbox.handOver(this.socket, policy);
    return service;
  }

  lives(seed: number, end: Ending, tally: Tally, mortal: boolean): Promise<void>[] {
    return this.#all.flatMap((sandbox, one) =>
      Array.from({ length: clientsPerSandbox }, (_, two) =>
        end.with(live(sandbox, new Dice(seed + 97 * (one * clientsPerSandbox + two)), end, tally, mortal)),
      ),
    );
  }
}

/** Kills a service and starts the next one until the time is over; answers how often. */
async function killOften(household: Household, dice: Dice, end: Ending): Promise<number> {
  for (let kills = 0; ; kills++) {
    await using service = await household.begin();
    await Bun.sleep(Math.min(1000 + dice.roll(30_000), end.milliseconds));
    if (!end.isHere) continue;
    // Clients end by themselves while they are served.
    await Bun.sleep(2000);
    service.process.kill("SIGTERM");
    return kills;
  }
}

async function echoOn(bus: string): Promise<RawPeer> {
  const echo = await RawPeer.connect(bus);
  await echo.callBus("RequestName", "org.test.Echo");
  echo.onMessage = ({ type, sender, serial }) => {
    echo.received.length = 0;
    if (type === messageType.call && sender !== busName)
      echo.send({ type: messageType.return, destination: sender, replySerial: serial });
  };
  return echo;
}

async function soak(minutes: number, seed: number, folder: string): Promise<boolean> {
  await using stack = new AsyncDisposableStack();
  const bus = stack.use(await startBus(folder));
  stack.use(await echoOn(bus.socket));
  const household = new Household(join(folder, "steady"), bus.socket, sandboxes, stack);
  const other = new Household(join(folder, "mortal"), bus.socket, mortalSandboxes, stack);
  const service = stack.use(await household.begin());
  const memory = (): number => ownMib(service.process.pid ?? 0);
  const samples = [memory()];
  const end = new Ending(minutes);
  const timer = setInterval(() => samples.push(memory()), (minutes * 60_000) / looks);
  const [steady, mortal] = [
    { acts: 0, cut: 0 },
    { acts: 0, cut: 0 },
  ];
  const killing = end.with(killOften(other, new Dice(seed), end));
  await Promise.all([
    ...household.lives(seed, end, steady, false),
    ...other.lives(seed + 1, end, mortal, true),
    killing,
  ]);
  clearInterval(timer);
  samples.push(memory());
  const { instances } = askStatus(household.socket);
  const denied = instances.reduce((sum, { buses }) => sum + (buses.session?.denied ?? 0), 0);
  process.stdout.write(
    `seed ${seed}: ${steady.acts} acts, ${denied} denials; ${await killing} services killed during `,
  );
  process.stdout.write(`${mortal.acts} acts of their clients, of whom ${mortal.cut} lost a connection\n`);
  const each = (minutes / looks).toFixed(1);
  process.stdout.write(
    `the service's own memory every ${each} minutes, MiB: ${samples.map((one) => one.toFixed(1)).join(" ")}\n`,
  );
  const [early, late] = [median(samples.slice(4, 8)), median(samples.slice(-4))];
  return late - early <= growthMib;
}

const folder = mkdtempSync(join(tmpdir(), "dowel-soak-"));
try {
  const flat = await soak(Number(process.argv[2] ?? 60), Number(process.env["DOWEL_SEED"] ?? Date.now() % 1e6), folder);
  process.stdout.write(flat ? "its memory is flat\n" : "its memory GROWS\n");
  process.exitCode = flat ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
