// SPDX-License-Identifier: Apache-2.0
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installBoth } from "./installed.ts";
import { compare, type Line, measureInTurn } from "./measure.ts";
import { appId, dowelCommand, dowelFolder, flatpakCommand, flatpakFolder, work } from "./places.ts";

const count = 1000;
/** Both peers name the folders `app/ID/ARCH/BRANCH/COMMIT`, beside a link `active`, and take a deployment for what it says. */
const below = "x86_64/12";

/** Fills an installation with copies of the app under other ids; only what `list` reads is copied. */
function fill(from: string, to: string, files: readonly string[]): void {
  const folder = join(from, "app", appId, below);
  const commit = readdirSync(folder).find((name) => /^[0-9a-f]{64}$/.test(name)) ?? "";
  for (let number = 0; number < count; number++) {
    const id = `${appId}${String(number).padStart(4, "0")}`;
    const target = join(to, "app", id, below, commit);
    mkdirSync(join(target, "files"), { recursive: true });
    for (const file of files) {
      const text = readFileSync(join(folder, commit, file), "latin1");
      writeFileSync(join(target, file), file === "deploy.json" ? text.replaceAll(appId, id) : text, "latin1");
    }
    symlinkSync(commit, join(to, "app", id, below, "active"));
    symlinkSync(below, join(to, "app", id, "current"));
  }
}

export async function benchList(): Promise<Line[]> {
  await installBoth();
  const [mine, peer] = [join(work, "many-dowel"), join(work, "many-flatpak")];
  for (const folder of [mine, peer]) rmSync(folder, { recursive: true, force: true });
  for (const name of ["objects", "images", "layers", "exports", "tmp"])
    mkdirSync(join(mine, name), { recursive: true });
  writeFileSync(join(mine, "version"), "1");
  fill(dowelFolder, mine, ["deploy.json", "metadata"]);
  mkdirSync(peer);
  cpSync(join(flatpakFolder, "repo"), join(peer, "repo"), { recursive: true, verbatimSymlinks: true });
  fill(flatpakFolder, peer, ["deploy", "metadata"]);
  const list = dowelCommand("list");
  const peerList = flatpakCommand("list");
  const [own, other] = measureInTurn(
    [
      { ...list, environment: { ...list.environment, DOWEL_SYSTEM_DIR: mine } },
      { ...peerList, environment: { ...peerList.environment, FLATPAK_SYSTEM_DIR: peer } },
    ],
    9,
  );
  for (const folder of [mine, peer]) rmSync(folder, { recursive: true, force: true });
  if (!own || !other) throw new Error("unreachable");
  return [compare(`list with ${count} deployments`, own, "flatpak list", other, 1.2)];
}
