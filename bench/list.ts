// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { installBoth } from "./installed.ts";
import { type Command, compare, type Line, measureInTurn } from "./measure.ts";
import { appId, dowelCommand, dowelFolder, flatpakCommand, flatpakFolder, work } from "./places.ts";

const count = 1000;
const objectsOfEach = 2000;
/** ext4 allows a file 65,000 names. */
const namesOfEach = 60_000;
/** Both peers name the folders `app/ID/ARCH/BRANCH/COMMIT`, beside a link `active`, and take a deployment for what it says. */
const below = "x86_64/12";

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function activeOf(folder: string): string {
  return readdirSync(folder).find((name) => /^[0-9a-f]{64}$/.test(name)) ?? "";
}

/** Calls with the id of each copy, and the folder to make its deployment in; puts the links beside it that both peers have. */
function fill(to: string, commitOf: (id: string) => string, make: (id: string, folder: string) => void): void {
  for (let number = 0; number < count; number++) {
    const id = `${appId}${String(number).padStart(4, "0")}`;
    const folder = join(to, "app", id, below, commitOf(id));
    mkdirSync(join(folder, "files"), { recursive: true });
    make(id, folder);
    symlinkSync(commitOf(id), join(to, "app", id, below, "active"));
    symlinkSync(below, join(to, "app", id, "current"));
  }
}

/** An installation with copies of the app under other ids, each with an image of its own; no object is there yet. */
function fillDowel(to: string): void {
  for (const name of ["objects", "images", "layers", "exports", "tmp"]) mkdirSync(join(to, name), { recursive: true });
  writeFileSync(join(to, "version"), "1");
  const from = join(dowelFolder, "app", appId, below);
  const commit = activeOf(from);
  const deployment = readFileSync(join(from, commit, "deploy.json"), "utf8");
  const image = join(dowelFolder, "images", commit);
  fill(to, sha256, (id, folder) => {
    writeFileSync(join(folder, "deploy.json"), deployment.replaceAll(appId, id).replaceAll(commit, sha256(id)));
    copyFileSync(join(from, commit, "metadata"), join(folder, "metadata"));
    const own = join(to, "images", sha256(id));
    mkdirSync(own);
    for (const name of ["config.json", "digest", "download-size", "manifest.json", "metadata"]) {
      copyFileSync(join(image, name), join(own, name));
    }
    writeFileSync(join(own, "objects.list"), "");
  });
}

/** Gives every image its objects: names of a few files, since nothing here reads them. */
function addObjects(to: string): void {
  for (let first = 0; first < 256; first++) mkdirSync(join(to, "objects", first.toString(16).padStart(2, "0")));
  let made = 0;
  let file = "";
  for (const commit of readdirSync(join(to, "images"))) {
    const lines: string[] = [];
    for (let number = 0; number < objectsOfEach; number++) {
      const digest = sha256(`${commit} ${number}`);
      const path = join(to, "objects", digest.slice(0, 2), digest.slice(2));
      if (made++ % namesOfEach === 0) {
        file = path;
        writeFileSync(path, "an object\n");
      } else linkSync(file, path);
      lines.push(`${digest} 10\n`);
    }
    writeFileSync(join(to, "images", commit, "objects.list"), lines.join(""));
  }
}

function fillFlatpak(to: string): void {
  mkdirSync(to);
  cpSync(join(flatpakFolder, "repo"), join(to, "repo"), { recursive: true, verbatimSymlinks: true });
  const from = join(flatpakFolder, "app", appId, below);
  const commit = activeOf(from);
  fill(
    to,
    () => commit,
    (_, folder) => {
      for (const name of ["deploy", "metadata"]) copyFileSync(join(from, commit, name), join(folder, name));
    },
  );
}

const commands = {
  list: ["list"],
  info: ["info", `${appId}0500`],
  // Looks at everything that is installed, to find that nothing is to be done.
  "a transaction's start": ["uninstall", "--system", "--unused", "-y"],
} as const;

/** Dowel without objects, with two million, and Flatpak. */
export async function benchList(): Promise<Line[]> {
  await installBoth();
  const [empty, full, peer] = ["few-dowel", "many-dowel", "many-flatpak"].map((name) => join(work, name));
  if (empty === undefined || full === undefined || peer === undefined) throw new Error("unreachable");
  const folders = [empty, full, peer];
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  fillDowel(empty);
  fillDowel(full);
  addObjects(full);
  fillFlatpak(peer);
  const inFolder = (command: Command, name: string, folder: string): Command => ({
    ...command,
    environment: { ...command.environment, [name]: folder },
  });
  const lines = Object.entries(commands).flatMap(([what, words]) => {
    const [few, many, other] = measureInTurn(
      [
        inFolder(dowelCommand(...words), "DOWEL_SYSTEM_DIR", empty),
        inFolder(dowelCommand(...words), "DOWEL_SYSTEM_DIR", full),
        inFolder(flatpakCommand(...words), "FLATPAK_SYSTEM_DIR", peer),
      ],
      9,
    );
    if (!few || !many || !other) throw new Error("unreachable");
    const name = `${what}, ${count} deployments`;
    return [
      compare(`${name}, 2 million objects`, many, "flatpak", other, 1.2),
      compare(`${name}, 2 million objects`, many, "no objects", few, 1.2),
    ];
  });
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  return lines;
}
