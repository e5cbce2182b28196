// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addImage } from "../tests/support/layout.ts";
import { compare, execute, type Line, limit, measureInTurn } from "./measure.ts";
import { dowelCommand, flatpakCommand, work } from "./places.ts";
import { startBus, startDelayProxy, startRegistry } from "./servers.ts";

const apps = 200;
const extensions = [1, 2, 3, 4, 5];
const roundTrip = "20";
const folder = join(work, "link");
const delayFile = join(folder, "delay");
const countFile = join(folder, "requests");
const platform = "org.dowel.link.Platform";

function noise(seed: string, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at * 64 < size; at++) parts.push(createHash("sha512").update(`${seed}${at}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

function addRef(layout: string, ref: string, metadata: string, size: number): void {
  const tree = join(folder, "tree");
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, "files/share"), { recursive: true });
  writeFileSync(join(tree, "metadata"), metadata);
  for (let file = 0; file < 8; file++)
    writeFileSync(join(tree, "files/share", `data${file}`), noise(`${ref}${file}`, size / 8));
  // Flatpak compares the file with this label, a serialized variant with a string.
  const variant = Buffer.from(`${metadata}\0\0s`).toString("base64");
  addImage(layout, { ref, metadata, tree, labels: { "org.flatpak.commit-metadata.xa.metadata": variant } });
}

/** 200 apps with one runtime, and one more app with its runtime's five extensions. */
function makeImages(layout: string): readonly string[] {
  const arch = "x86_64";
  const points = extensions
    .map((n) => `[Extension ${platform}.Ext${n}]\ndirectory=share/ext${n}\nversion=1\n`)
    .join("\n");
  addRef(
    layout,
    `runtime/${platform}/${arch}/1`,
    `[Runtime]\nname=${platform}\nruntime=${platform}/${arch}/1\n\n${points}`,
    4e6,
  );
  for (const n of extensions) {
    const of = `[ExtensionOf]\nref=runtime/${platform}/${arch}/1\n`;
    addRef(layout, `runtime/${platform}.Ext${n}/${arch}/1`, `[Runtime]\nname=${platform}.Ext${n}\n\n${of}`, 2e5);
  }
  const names = Array.from({ length: apps }, (_, n) => `org.dowel.link.App${String(n).padStart(3, "0")}`);
  for (const id of names) {
    const metadata = `[Application]\nname=${id}\nruntime=${platform}/${arch}/1\ncommand=true\n`;
    addRef(layout, `app/${id}/${arch}/stable`, metadata, 16_384);
  }
  return names;
}

/** Environments in which both peers have nothing installed. */
function emptyPlaces(name: string): Readonly<Record<string, string>> {
  const below = join(folder, name);
  rmSync(below, { recursive: true, force: true });
  const places = {
    DOWEL_SYSTEM_DIR: join(below, "dowel"),
    FLATPAK_SYSTEM_DIR: join(below, "flatpak"),
    FLATPAK_SYSTEM_CACHE_DIR: join(below, "flatpak-cache"),
  };
  for (const path of Object.values(places)) mkdirSync(path, { recursive: true });
  return places;
}

function requests(): number {
  return Number(readFileSync(countFile, "utf8"));
}

/** A program of one request, compiled as Dowel's own is. */
function bareRequest(): string {
  const program = join(folder, "barerequest");
  const words = ["build", "--compile", "--bytecode", "--format=esm", "bench/barerequest.ts", "--outfile", program];
  execute({ words: [process.execPath, ...words] });
  return program;
}

/**
 * The check asks one thing on a new connection: two round trips, 40 ms, which is 0.29 of what Flatpak takes on an idle
 * machine of two cores (140 ms, of which 40 are round trips as well). A program of the same kind that does nothing but such a
 * request takes 48 to 50 ms, 0.35 of Flatpak's: that is measured beside them, and no order of work gets below it. Dowel needs
 * about 12 ms more: its modules, the words, and what names the remote come before the request, all else lies within it. A
 * launcher that opened the connection would need names, proxies and TLS.
 */
export async function benchLink(): Promise<Line[]> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(delayFile, "0");
  writeFileSync(countFile, "0");
  const layout = join(folder, "layout");
  const names = makeImages(layout);
  await using registry = await startRegistry(join(folder, "registry"));
  execute(dowelCommand("push", `oci:${layout}`, `oci+http://${registry.address}/link`));
  await using proxy = await startDelayProxy(registry.address, delayFile, countFile);
  await using bus = await startBus(folder);
  const url = `oci+http://${proxy.address}`;
  const mine = (places: Readonly<Record<string, string>>, ...words: string[]) => {
    const command = dowelCommand(...words);
    return { ...command, environment: { ...command.environment, ...places } };
  };
  const peers = (places: Readonly<Record<string, string>>, ...words: string[]) => {
    const command = flatpakCommand(...words);
    const session = { DBUS_SESSION_BUS_ADDRESS: bus.address };
    return { ...command, environment: { ...command.environment, ...session, ...places } };
  };
  const prepare = (places: Readonly<Record<string, string>>): void => {
    execute(mine(places, "remote-add", "--system", "--verify=none", "link", `${url}/link`));
    execute(peers(places, "remote-add", "--system", "link", url));
  };
  const full = emptyPlaces("full");
  prepare(full);
  execute(mine(full, "install", "--system", "-y", "link", ...names));
  execute(peers(full, "install", "--system", "-y", "--noninteractive", "link", ...names));
  writeFileSync(delayFile, roundTrip);
  execute(mine(full, "update", "--system", "-y"));
  const before = requests();
  execute(mine(full, "update", "--system", "-y"));
  const asked = requests() - before;
  const index = `http://${proxy.address}/link/index/static?os=linux&architecture=amd64&tag=latest`;
  const [check, peerCheck, bare] = measureInTurn(
    [
      mine(full, "update", "--system", "-y"),
      peers(full, "update", "--system", "-y", "--noninteractive"),
      { words: [bareRequest(), index] },
    ],
    5,
  );
  const fresh = { ...full };
  const renew = (): void => {
    writeFileSync(delayFile, "0");
    Object.assign(fresh, emptyPlaces("fresh"));
    prepare(fresh);
    writeFileSync(delayFile, roundTrip);
  };
  const install = [
    mine(emptyPlaces("fresh"), "install", "--system", "-y", "link", names[0] ?? ""),
    peers(emptyPlaces("fresh"), "install", "--system", "-y", "--noninteractive", "link", names[0] ?? ""),
  ];
  const [own, peer] = measureInTurn(
    install.map((command) => ({ ...command, before: renew })),
    5,
  );
  if (!check || !peerCheck || !bare || !own || !peer) throw new Error("unreachable");
  return [
    compare(`update check of ${apps} refs over ${roundTrip} ms`, check, "flatpak update", peerCheck, 0.3),
    compare("update check beside a bare request", check, "a program of one fetch", bare, 1.4),
    limit("requests of an update check, nothing new", asked, "", 2),
    compare(`app, runtime, 5 extensions over ${roundTrip} ms`, own, "flatpak install", peer, 0.5),
  ];
}
