// SPDX-License-Identifier: Apache-2.0
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { serve } from "./install.ts";
import { removeInstallations } from "./installed.ts";
import { type Command, compare, execute, type Figures, type Line, limit, measureInTurn } from "./measure.ts";
import {
  dowelCommand,
  dowelFolder,
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
  readonly namespace: string;
  readonly url: string;
}

/** Forgets the tables that deltas need. */
function forgetTables(): void {
  const folder = join(dowelFolder, "layers");
  for (const name of readdirSync(folder)) if (name.endsWith(".toc")) rmSync(join(folder, name));
}

function dowelUpdate({ namespace }: Peers, first: Trees, second: Trees, before: () => void): Command {
  return {
    ...dowelCommand("update", "--system", "-y"),
    before: () => {
      removeInstallations();
      execute(dowelCommand("push", `oci:${first.layout}`, namespace));
      execute(dowelCommand("remote-add", "--system", "--verify=none", "bench", namespace));
      execute(dowelCommand("install", "--system", "-y", "bench", runtimeId));
      execute(dowelCommand("push", `oci:${second.layout}`, namespace));
      before();
    },
  };
}

function ostreeUpdate({ url }: Peers, first: Trees, second: Trees): Command {
  const pull = ["ostree", `--repo=${client}`, "pull", "bench", ref];
  return {
    words: pull,
    before: () => {
      rmSync(client, { recursive: true, force: true });
      ostreeRepository(client, "bare");
      execute({ words: ["ostree", `--repo=${client}`, "remote", "add", "--no-gpg-verify", "bench", url] });
      serve(first.repository);
      execute({ words: pull });
      serve(second.repository);
    },
  };
}

function bytes(what: string, figures: Figures, most: number, peer: Figures | undefined): Line {
  const line = limit(what, figures.received / 1e6, "MB", most);
  return peer === undefined ? line : { ...line, peer: `ostree pull ${(peer.received / 1e6).toFixed(1)} MB` };
}

function benchUpdate(peers: Peers, what: string, [first, second]: readonly [Trees, Trees], most: number): Line[] {
  const commands = [
    dowelUpdate(peers, first, second, () => undefined),
    dowelUpdate(peers, first, second, forgetTables),
    ostreeUpdate(peers, first, second),
  ];
  const [update, whole, pull] = measureInTurn(commands, 1, false);
  if (!update || !whole || !pull) throw new Error("unreachable");
  return [
    bytes(`${what}: bytes fetched, all included`, update, most, pull),
    bytes(`${what}: bytes fetched, without a delta`, whole, most, undefined),
    compare(what, update, "ostree pull", pull, 0.3),
    limit(`${what}: peak memory`, update.peak, "MiB", 250),
  ];
}

/** A second image of which the first has all files but one. */
function benchTwin({ namespace }: Peers, { layout }: Trees): Line[] {
  const id = "org.debian.Twin";
  const twin = prepareTwin(id, [main]);
  const install = (what: string): Command => dowelCommand("install", "--system", "-y", "bench", what);
  const before = (): void => {
    removeInstallations();
    for (const from of [layout, twin]) execute(dowelCommand("push", `oci:${from}`, namespace));
    execute(dowelCommand("remote-add", "--system", "--verify=none", "bench", namespace));
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
  await using registry = await startRegistry(join(work, "registry"));
  await using files = await startFileServer(work);
  const peers = { namespace: `oci+http://${registry.address}/bench`, url: `http://${files.address}/served` };
  const lines = [
    ...benchUpdate(peers, "update, five packages newer", [first, few], 4.3),
    ...benchUpdate(peers, "update, many packages newer", [first, many], 26),
    ...benchTwin(peers, first),
  ];
  removeInstallations();
  return lines;
}
