// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll } from "bun:test";
import { once } from "node:events";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BusPeer } from "../../src/dbus/peer.ts";
import { type AppClient, instancesIn } from "../support/appclient.ts";
import { addImage } from "../support/layout.ts";
import { appRef, makeLayout, type Sandpit } from "./support.ts";

/** A running sandbox: a connection of it, and its files as it sees them. */
export interface Running {
  readonly peer: BusPeer;
  readonly instance: string;
  readonly root: string;
}

/** An app that is installed and waits while the tests of a group run. */
export class WaitingApp {
  /** Of its instance. */
  number = "";

  /** Registers what starts it before the tests and ends it, and all of its user's, after them. @param prepare runs first */
  constructor(pit: Sandpit, id: string, prepare: () => void) {
    let running: ReturnType<Sandpit["start"]> | undefined;
    beforeAll(async () => {
      const layout = makeLayout(pit.path("images"));
      prepare();
      for (const name of ["images", "home", "work"]) pit.own(pit.path(name));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
      running = pit.start(["run", id, "wait"]);
      await once(running.child.stdout, "data");
      [this.number = ""] = instancesIn(pit.path("run"));
    });
    afterAll(async () => {
      running?.child.kill("SIGTERM");
      await running?.outcome;
      pit[Symbol.dispose]();
    });
  }
}

/** Adds the app of a layout once more, by another id and without what it exports. */
export function addRenamed(pit: Sandpit, layout: string, id: string): void {
  const tree = pit.path("images/tree-other");
  cpSync(pit.path("images/tree-app"), tree, { recursive: true });
  rmSync(join(tree, "files/share/applications"), { recursive: true });
  rmSync(join(tree, "export"), { recursive: true });
  const [, before = ""] = appRef.split("/");
  const metadata = readFileSync(join(tree, "metadata"), "utf8").replace(before, id);
  writeFileSync(join(tree, "metadata"), metadata);
  addImage(layout, { ref: appRef.replace(before, id), metadata, tree });
}

/** Starts an app that waits. @param runs what must be ended, with the new one then @param words options and the app */
export async function startApp(
  pit: Sandpit,
  clients: AppClient,
  runs: ReturnType<Sandpit["start"]>[],
  words: readonly string[],
): Promise<Running> {
  const before = new Set(
    JSON.parse(pit.succeed(["ps", "--json"])).map(({ instance }: { instance: string }) => instance),
  );
  const running = pit.start(["run", ...words, "wait"]);
  runs.push(running);
  await once(running.child.stdout, "data");
  const all = JSON.parse(pit.succeed(["ps", "--json", "--columns=instance,child-pid"])) as Record<string, string>[];
  const found = all.find((line) => !before.has(line["instance"]));
  const instance = String(found?.["instance"]);
  const init = JSON.parse(readFileSync(pit.path(`run/.flatpak/${instance}/bwrapinfo.json`), "utf8"))["child-pid"];
  const child = readFileSync(`/proc/${init}/task/${init}/children`, "utf8").split(" ")[0];
  const peer = await clients.connect(pit.path(`run/.flatpak/${instance}`));
  return { peer, instance, root: `/proc/${child}/root` };
}
