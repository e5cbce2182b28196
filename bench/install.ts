// SPDX-License-Identifier: Apache-2.0
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { removeInstallations } from "./installed.ts";
import { type Command, compare, execute, type Line, limit, measureInTurn } from "./measure.ts";
import { dowelCommand, flatpakCommand, prepareRuntime, prepareUpdate, runtimeId, type Trees, work } from "./places.ts";
import { startFileServer, startRegistry } from "./servers.ts";

const served = join(work, "served");

/** Has the file server show a repository at `/served`. */
export function serve(repository: string): void {
  rmSync(served, { force: true });
  symlinkSync(repository, served);
}

interface Peers {
  readonly namespace: string;
  readonly url: string;
}

function addRemotes({ namespace, url }: Peers): void {
  removeInstallations();
  execute(dowelCommand("remote-add", "--system", "--verify=none", "bench", namespace));
  execute(flatpakCommand("remote-add", "--system", "--no-gpg-verify", "bench", url));
  execute({ words: ["sync"] });
}

/** Brings the registry and the repository to the state of one of the two versions. */
function publish({ namespace }: Peers, { layout, repository }: Trees): void {
  execute(dowelCommand("push", `oci:${layout}`, namespace));
  serve(repository);
}

function installs(peers: Peers): readonly [Command, Command] {
  const before = () => addRemotes(peers);
  return [
    { ...dowelCommand("install", "--system", "-y", "bench", runtimeId), before, withPeak: true },
    { ...flatpakCommand("install", "--system", "-y", "--noninteractive", "bench", runtimeId), before, withPeak: true },
  ];
}

function updates(peers: Peers, first: Trees, second: Trees): readonly [Command, Command] {
  const [dowelInstall, flatpakInstall] = installs(peers);
  const after = (install: Command) => () => {
    publish(peers, first);
    install.before?.();
    execute(install);
    publish(peers, second);
    execute({ words: ["sync"] });
  };
  return [
    { ...dowelCommand("update", "--system", "-y"), before: after(dowelInstall), withPeak: true },
    { ...flatpakCommand("update", "--system", "-y", "--noninteractive"), before: after(flatpakInstall) },
  ];
}

export async function benchInstall(): Promise<Line[]> {
  const first = prepareRuntime();
  const second = prepareUpdate();
  rmSync(join(work, "registry"), { recursive: true, force: true });
  await using registry = await startRegistry(join(work, "registry"));
  await using files = await startFileServer(work);
  const peers = { namespace: `oci+http://${registry.address}/bench`, url: `http://${files.address}/served` };
  publish(peers, first);
  const [mine, peer] = measureInTurn(installs(peers), 3, false);
  const [update, peerUpdate] = measureInTurn(updates(peers, first, second), 1, false);
  removeInstallations();
  if (!mine || !peer || !update || !peerUpdate) throw new Error("unreachable");
  return [
    compare("install over HTTP", mine, "flatpak install", peer, 0.4),
    compare("install: CPU time", { ...mine, wall: mine.cpu }, "flatpak install", { ...peer, wall: peer.cpu }, 0.4),
    { ...limit("install: peak memory", mine.peak, "MiB", 250), peer: `flatpak ${peer.peak.toFixed(0)} MiB` },
    compare("update, five packages more", update, "flatpak update", peerUpdate, 1),
    {
      ...limit("update: bytes fetched, all included", update.received / 1e6, "MB", 4.3),
      peer: `flatpak ${(peerUpdate.received / 1e6).toFixed(1)} MB`,
    },
    limit("update: peak memory", update.peak, "MiB", 250),
  ];
}
