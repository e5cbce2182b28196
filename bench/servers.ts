// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import type { OwnNetwork } from "./network.ts";
import { dowel, environment } from "./places.ts";

export interface Server extends AsyncDisposable {
  /** `HOST:PORT`. */
  readonly address: string;
}

/** Resolves when the program has said on its standard output where it listens. */
async function listening(child: ChildProcess): Promise<string> {
  let text = "";
  return new Promise((found, failed) => {
    child.stdout?.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      const address = /http:\/\/([^"/\s]+)/.exec(text)?.[1];
      if (address !== undefined) found(address);
    });
    child.once("exit", (code) => failed(new Error(`the server ended with ${code}: ${text}`)));
  });
}

async function start(words: readonly string[], network?: OwnNetwork): Promise<Server> {
  const [program = "", ...rest] = network?.inside(words) ?? words;
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...environment } });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  return {
    address: await listening(child),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** The embedded registry. */
export function startRegistry(folder: string, network?: OwnNetwork): Promise<Server> {
  return start([dowel, "registry", "serve", "--listen=127.0.0.1:0", "--json", folder], network);
}

/** A server of plain files, a process of its own as the registry is one. */
export function startFileServer(folder: string, network?: OwnNetwork): Promise<Server> {
  return start([process.execPath, "bench/fileserver.ts", folder], network);
}

/** A link to a server with a delay that a file names. */
export function startDelayProxy(address: string, delayFile: string, countFile: string): Promise<Server> {
  return start([process.execPath, "bench/delayproxy.ts", address, delayFile, countFile]);
}

/** A session bus, which Flatpak needs for the tokens of registries; its address is `unix:path=…`. */
export async function startBus(folder: string): Promise<AsyncDisposable & { readonly address: string }> {
  const address = `unix:path=${folder}/bus`;
  const words = ["--session", "--nofork", "--print-address=1", `--address=${address}`];
  const child = spawn("dbus-daemon", words, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  await new Promise<void>((done) => child.stdout?.once("data", () => done()));
  return {
    address,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
