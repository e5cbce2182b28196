// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import type { Command } from "./measure.ts";

/** A network with nothing but a loopback, so that its bytes are those of one measurement whatever else this machine does. */
export interface OwnNetwork extends AsyncDisposable {
  /** The words of a program that runs in it. */
  readonly inside: (words: readonly string[]) => readonly string[];
  /** The command, measured and run in it. */
  readonly command: (command: Command) => Command;
}

export async function startNetwork(): Promise<OwnNetwork> {
  const script = "ip link set lo up && echo ready && exec sleep infinity";
  const holder = spawn("unshare", ["--net", "sh", "-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((done) => holder.once("exit", () => done()));
  await new Promise<void>((ready, failed) => {
    holder.stdout?.once("data", () => ready());
    holder.once("exit", (code) => failed(new Error(`no network of its own could be made: ${code}`)));
  });
  const folder = `/proc/${holder.pid}`;
  const inside = (words: readonly string[]): readonly string[] => ["nsenter", `--net=${folder}/ns/net`, ...words];
  return {
    inside,
    command: (command) => ({ ...command, words: inside(command.words), interfaces: `${folder}/net/dev` }),
    async [Symbol.asyncDispose]() {
      holder.kill("SIGTERM");
      await ended;
    },
  };
}
