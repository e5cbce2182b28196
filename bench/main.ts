// SPDX-License-Identifier: Apache-2.0
// Dowel beside its peers, measured in turn in one run: main.ts [NAME…]
import { benchBus } from "./bus.ts";
import { benchCli } from "./cli.ts";
import { benchClients } from "./clients.ts";
import { benchInstall } from "./install.ts";
import { unmountImages } from "./installed.ts";
import { benchInstances } from "./instances.ts";
import { benchLayers } from "./layers.ts";
import { benchLibrary } from "./library.ts";
import { benchLink } from "./link.ts";
import { benchList } from "./list.ts";
import { type Line, printLines } from "./measure.ts";
import { prepareWork, releaseWork } from "./places.ts";
import { benchPortals } from "./portals.ts";
import { benchSearch } from "./search.ts";
import { benchStart } from "./start.ts";
import { benchUpdates } from "./updates.ts";
import { benchVerify } from "./verify.ts";

const parts: Readonly<Record<string, () => Promise<Line[]>>> = {
  start: benchStart,
  cli: benchCli,
  instances: benchInstances,
  bus: benchBus,
  portals: benchPortals,
  library: benchLibrary,
  install: benchInstall,
  updates: benchUpdates,
  layers: benchLayers,
  verify: benchVerify,
  list1000: benchList,
  link: benchLink,
  search: benchSearch,
  clients: benchClients,
};

/** What takes minutes is run only when it is named. */
const onlyNamed: ReadonlySet<string> = new Set(["clients"]);

async function main(words: readonly string[]): Promise<number> {
  const unknown = words.filter((word) => !(word in parts));
  if (unknown.length > 0) {
    process.stderr.write(`No such figures: ${unknown.join(", ")}; there are ${Object.keys(parts).join(", ")}\n`);
    return 2;
  }
  prepareWork();
  const lines: Line[] = [];
  for (const name of words.length > 0 ? words : Object.keys(parts).filter((part) => !onlyNamed.has(part))) {
    process.stdout.write(`==> ${name}\n`);
    const found = (await parts[name]?.()) ?? [];
    printLines(found);
    lines.push(...found);
  }
  unmountImages();
  releaseWork();
  return lines.every(({ kept }) => kept) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
