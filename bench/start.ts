// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bubblewrapWords } from "./bubblewrap.ts";
import { installBoth, installExtended } from "./installed.ts";
import { compare, execute, type Line, limit, measureInTurn } from "./measure.ts";
import { appId, dowel, dowelCommand, environment, extendedId, flatpakCommand, plansFolder } from "./places.ts";

/** The command is one that the runtime has, so that all peers start the same program. */
const run = ["run", "--command=true", appId];

function newestPlan(): string {
  const [name, ...more] = readdirSync(plansFolder);
  if (name === undefined || more.length > 0) throw new Error(`expected one plan in ${plansFolder}`);
  return join(plansFolder, name);
}

function pssKib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]);
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}

/** The processes between the caller and the app's own program, which is `name`. */
function helpersAbove(pid: number, name: string): number[] {
  const helpers: number[] = [];
  for (const child of childrenOf(pid)) {
    if (readFileSync(`/proc/${child}/comm`, "utf8").trim() === name) return [pid];
    const below = helpersAbove(child, name);
    if (below.length > 0) helpers.push(pid, ...below);
  }
  return helpers;
}

/** Proportional set size of all that stands beside an app that sleeps, KiB. */
async function memoryBeside(words: readonly string[]): Promise<number> {
  const [program = "", ...rest] = words;
  const child = spawn(program, rest, { stdio: "ignore", env: { ...process.env, ...environment } });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  try {
    for (;;) {
      const helpers = child.pid === undefined ? [] : helpersAbove(child.pid, "sleep");
      if (helpers.length > 0) return helpers.reduce((sum, pid) => sum + pssKib(pid), 0);
      if (child.exitCode !== null) throw new Error(`${words.join(" ")} ended with ${child.exitCode}`);
      await Bun.sleep(20);
    }
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

async function memory(): Promise<Line> {
  const mine = await memoryBeside([dowel, "run", "--command=sleep", appId, "30"]);
  const peer = await memoryBeside(["flatpak", "run", "--command=sleep", appId, "30"]);
  const line = limit("memory beside an app", mine / 1024, "MiB", 0.3);
  return { ...line, dowel: `${(mine / 1024).toFixed(2)} MiB`, peer: `flatpak ${(peer / 1024).toFixed(2)} MiB` };
}

/** What ten extensions cost a warm start, beside the same app without any. */
async function extended(): Promise<Line[]> {
  await installExtended();
  const words = ["run", "--command=true", extendedId];
  for (const command of [dowelCommand(...run), dowelCommand(...words)]) execute(command);
  const commands = [dowelCommand(...words), dowelCommand(...run), flatpakCommand(...words)];
  const [withTen, without, peer] = measureInTurn(commands, 41);
  if (!withTen || !without || !peer) throw new Error("unreachable");
  return [
    compare("start, warm, ten extensions", withTen, "without them", without, 1.15),
    compare("start, warm, ten extensions", withTen, "flatpak run", peer, 0.15),
  ];
}

export async function benchStart(): Promise<Line[]> {
  await installBoth();
  if (existsSync(plansFolder)) rmSync(plansFolder, { recursive: true });
  const warm = dowelCommand(...run);
  const flatpak = flatpakCommand(...run);
  execute(warm);
  const bubblewrap = { words: ["bwrap", ...bubblewrapWords(newestPlan(), ["true"])], environment };
  const names = { words: ["bwrap", "--unshare-all", "--bind", "/", "/", "true"] };
  const [dowelWarm, peer, same, bare] = measureInTurn([warm, flatpak, bubblewrap, names], 25);
  const forget = () => rmSync(newestPlan());
  const [dowelCold, peerAgain] = measureInTurn([{ ...warm, before: forget }, flatpak], 9);
  if (!dowelWarm || !peer || !same || !bare || !dowelCold || !peerAgain) throw new Error("unreachable");
  return [
    compare("start, warm", dowelWarm, "flatpak run", peer, 0.15),
    compare("start, warm", dowelWarm, "bubblewrap, same mounts", same, 0.5),
    compare("start, warm", dowelWarm, "bubblewrap, one mount", bare, 2),
    compare("start, cold (no plan)", dowelCold, "flatpak run", peerAgain, 1.5),
    await memory(),
    ...(await extended()),
  ];
}
