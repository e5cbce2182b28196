// SPDX-License-Identifier: Apache-2.0
import { rmSync, statSync, writeSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { connectBus } from "../../dbus/connect.ts";
import { Listener } from "../../loop/listener.ts";
import { EventLoop } from "../../loop/loop.ts";
import { listenUnix, raiseDescriptorLimit } from "../../sys/sockets.ts";
import { Link } from "../bus/link.ts";
import { noTraffic } from "../bus/stream.ts";
import { logLines } from "./log.ts";
import type { ProxyOptions, ProxySpec } from "./options.ts";

export interface ProxyOutput {
  /** Lines of `--log`. */
  readonly log: (lines: string) => void;
  /** Why a connection ended, where it did not end by itself. */
  readonly failed: (reason: unknown) => void;
}

/** What an earlier proxy left at the path goes; anything but a socket stays. */
function listenAt(path: string): number {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path);
    return listenUnix({ path });
  } catch (error) {
    throw fileError(error, "listen at", path);
  }
}

function serve(loop: EventLoop, spec: ProxySpec, output: ProxyOutput, resources: DisposableStack): void {
  const user = process.getuid?.() ?? 0;
  const traffic = noTraffic();
  const links = new Set<Link>();
  const listener = new Listener(loop, listenAt(spec.path), (fd) => {
    const link = new Link(loop, fd, user, {
      policy: spec.filter ? spec.policy : undefined,
      sloppyNames: spec.sloppyNames,
      traffic,
      ...(spec.log ? { log: (...message: Parameters<typeof logLines>) => output.log(logLines(...message)) } : {}),
      ended: (reason) => {
        links.delete(link);
        listener.released();
        if (reason !== undefined) output.failed(reason);
      },
    });
    links.add(link);
    link.attachFrom(() => connectBus(spec.upstream));
  });
  resources.defer(() => {
    for (const link of links) link[Symbol.dispose]();
    listener[Symbol.dispose]();
    rmSync(spec.path, { force: true });
  });
}

/** Tells that all sockets listen, and stops when the other end of the descriptor is closed. */
function synchronize(loop: EventLoop, fd: number): void {
  try {
    writeSync(fd, "x");
    loop.watch(fd, 0, () => loop.stop());
  } catch (cause) {
    throw new DowelError("USAGE", `--fd=${fd}: there must be a pipe or a socket that can be written to`, { cause });
  }
}

/** Serves all sockets until the signal fires or the other end of `--fd` is closed; then they are gone. */
export async function runProxy(options: ProxyOptions, output: ProxyOutput, signal: AbortSignal): Promise<void> {
  raiseDescriptorLimit();
  using resources = new DisposableStack();
  const loop = resources.use(new EventLoop());
  for (const spec of options.proxies) serve(loop, spec, output, resources);
  if (options.syncFd !== undefined) synchronize(loop, options.syncFd);
  await loop.run(signal);
}
