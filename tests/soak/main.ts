// SPDX-License-Identifier: Apache-2.0
// The session service under clients that do anything: main.ts [MINUTES]. Ends with its memory over time; fails where that
// grows, or where a client that behaves is not served.
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

function pssMib(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1]) / 1024;
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
      const body = "x".repeat(dice.roll(60_000));
      const answer = await client.ask({ ...say, signature: "s", body: (writer) => writer.string(body) });
      if (answer?.type !== messageType.return) throw new Error(`A client got no answer: ${answer?.errorName}`);
      return dice.roll(20) > 0;
    }
  }
}

async function live(sandbox: FakeSandbox, dice: Dice, until: number): Promise<number> {
  let acts = 0;
  while (Date.now() < until) {
    using client = await RawPeer.connect(sandbox.socket);
    do acts++;
    while ((await act(client, dice)) && Date.now() < until);
  }
  return acts;
}

async function soak(minutes: number, seed: number, folder: string): Promise<boolean> {
  await using bus = await startBus(folder);
  using echo = await RawPeer.connect(bus.socket);
  await echo.callBus("RequestName", "org.test.Echo");
  echo.onMessage = ({ type, sender, serial }) => {
    echo.received.length = 0;
    if (type === messageType.call && sender !== busName)
      echo.send({ type: messageType.return, destination: sender, replySerial: serial });
  };
  await using service = await ServiceProcess.start(folder);
  await using stack = new AsyncDisposableStack();
  const all = Array.from({ length: sandboxes }, (_, index) =>
    stack.use(new FakeSandbox(folder, String(index + 1), bus.socket)),
  );
  for (const sandbox of all) sandbox.handOver(join(folder, "dowel/session.sock"), policy);
  const until = Date.now() + minutes * 60_000;
  const lives = all.flatMap((sandbox, one) =>
    Array.from({ length: clientsPerSandbox }, (_, two) =>
      live(sandbox, new Dice(seed + 97 * (one * clientsPerSandbox + two)), until),
    ),
  );
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(pssMib(service.process.pid ?? 0)), minutes * 3_000);
  const acts = (await Promise.all(lives)).reduce((sum, count) => sum + count, 0);
  clearInterval(timer);
  const [early = 0, late = 0] = [samples.slice(4, 8), samples.slice(-4)].map((part) => Math.max(...part));
  const { instances } = askStatus(join(folder, "dowel/session.sock"));
  const denied = instances.reduce((sum, { buses }) => sum + (buses.session?.denied ?? 0), 0);
  process.stdout.write(`seed ${seed}: ${acts} acts of ${lives.length} clients, ${denied} denials\n`);
  process.stdout.write(`memory of the service, MiB: ${samples.map((value) => value.toFixed(1)).join(" ")}\n`);
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
