// SPDX-License-Identifier: Apache-2.0
import { rmSync } from "node:fs";
import { join } from "node:path";
import { serve } from "./install.ts";
import { removeInstallations, setAside } from "./installed.ts";
import {
  type Command,
  compare,
  compareCpu,
  execute,
  type Figures,
  type Line,
  limit,
  measureInTurn,
} from "./measure.ts";
import { type OwnNetwork, startNetwork } from "./network.ts";
import {
  dowelCommand,
  ostreeRepository,
  prepareDebs,
  prepareFrom,
  prepareTwin,
  runtimeBranch,
  runtimeId,
  type Trees,
  work,
} from "./places.ts";
import { startFileServer, startRegistry } from "./servers.ts";

const main = "deb http://deb.debian.org/debian bookworm main";
const newest = [
  main,
  "deb http://deb.debian.org/debian bookworm-updates main",
  "deb http://deb.debian.org/debian bookworm-proposed-updates main",
  "deb http://deb.debian.org/debian-security bookworm-security main",
];
const five = ["openssl", "libssl3", "tzdata", "libexpat1", "libpng16-16"];
const client = join(work, "ostree-client");
const ref = `runtime/${runtimeId}/${process.arch === "arm64" ? "aarch64" : "x86_64"}/${runtimeBranch}`;

interface Peers {
  readonly network: OwnNetwork;
  readonly namespace: string;
  readonly url: string;
}

/** Runs `dowel` where the servers are. */
function run({ network }: Peers, ...words: string[]): void {
  execute(network.command(dowelCommand(...words)));
}

/** The update of the first version to the last; those between were published meanwhile. */
function dowelUpdate(peers: Peers, first: Trees, ...later: readonly Trees[]): Command {
  return {
    ...peers.network.command(dowelCommand("update", "--system", "-y")),
    withPeak: true,
    before: () => {
      removeInstallations();
      run(peers, "push", `oci:${first.layout}`, peers.namespace);
      run(peers, "remote-add", "--system", "--verify=none", "bench", peers.namespace);
      run(peers, "install", "--system", "-y", "bench", runtimeId);
      for (const { layout } of later) run(peers, "push", `oci:${layout}`, peers.namespace);
    },
  };
}

function ostreeUpdate({ url, network }: Peers, first: Trees, second: Trees): Command {
  const pull = network.command({ words: ["ostree", `--repo=${client}`, "pull", "bench", ref] });
  return {
    ...pull,
    before: () => {
      setAside(client);
      ostreeRepository(client, "bare");
      execute({ words: ["ostree", `--repo=${client}`, "remote", "add", "--no-gpg-verify", "bench", url] });
      serve(first.repository);
      execute(pull);
      serve(second.repository);
    },
  };
}

function bytes(what: string, figures: Figures, most: number, peer: Figures | undefined): Line {
  const line = limit(what, figures.received / 1e6, "MB", most);
  return peer === undefined ? line : { ...line, peer: `ostree pull ${(peer.received / 1e6).toFixed(1)} MB` };
}

function benchUpdate(peers: Peers, what: string, [first, second]: readonly [Trees, Trees], most: number): Line[] {
  const commands = [dowelUpdate(peers, first, second), ostreeUpdate(peers, first, second)];
  const [update, pull] = measureInTurn(commands, 1, false);
  if (!update || !pull) throw new Error("unreachable");
  return [
    bytes(`${what}: bytes fetched, all included`, update, most, pull),
    compare(what, update, "ostree pull", pull, 0.3),
    compareCpu(what, update, "ostree pull", pull, 0.3),
    limit(`${what}: peak memory`, update.peak, "MiB", 250),
  ];
}

/** Deltas lead from each version to the next only. */
function benchBehind(peers: Peers, versions: readonly [Trees, Trees, Trees], most: number): Line[] {
  const [behind] = measureInTurn([dowelUpdate(peers, ...versions)], 1, false);
  if (!behind) throw new Error("unreachable");
  return [bytes("update, two versions behind: bytes fetched", behind, most, undefined)];
}

/** A second image of which the first has all files but one. */
function benchTwin(peers: Peers, { layout }: Trees): Line[] {
  const id = "org.debian.Twin";
  const twin = prepareTwin(id, [main]);
  const { network, namespace } = peers;
  const install = (what: string): Command => network.command(dowelCommand("install", "--system", "-y", "bench", what));
  const before = (): void => {
    removeInstallations();
    for (const from of [layout, twin]) run(peers, "push", `oci:${from}`, namespace);
    run(peers, "remote-add", "--system", "--verify=none", "bench", namespace);
    execute(install(runtimeId));
  };
  const [second] = measureInTurn([{ ...install(id), before }], 1, false);
  return [limit("install of what is here but for one file", second?.wall ?? Number.NaN, "ms", 1000)];
}

/** Updates of trees of Debian packages over HTTP, beside `ostree pull` of the same trees. */
export async function benchUpdates(): Promise<Line[]> {
  const first = prepareFrom("older", [main]);
  const debs = prepareDebs("five-debs", five);
  const few = prepareFrom("five", [main, `deb [trusted=yes] copy:${debs} ./`]);
  const many = prepareFrom("newer", newest);
  rmSync(join(work, "registry"), { recursive: true, force: true });
  await using network = await startNetwork();
  await using registry = await startRegistry(join(work, "registry"), network);
  await using files = await startFileServer(work, network);
  const peers = {
    network,
    namespace: `oci+http://${registry.address}/bench`,
    url: `http://${files.address}/served`,
  };
  const lines = [
    ...benchUpdate(peers, "update, five packages newer", [first, few], 4.3),
    ...benchUpdate(peers, "update, many packages newer", [first, many], 26),
    ...benchBehind(peers, [first, few, many], 26),
    ...benchTwin(peers, first),
  ];
  removeInstallations();
  return lines;
}
