// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hostArch } from "../src/base/arch.ts";
import { Registry } from "../src/oci/client/registry.ts";
import { digestOf } from "../src/oci/digest.ts";
import { serveRegistry } from "../src/registry/server.ts";
import type { CachedCatalogue } from "../src/remotes/indexcache.ts";
import { parseLocation, type RegistryLocation } from "../src/remotes/location.ts";
import { publicationOf } from "../src/remotes/shop/publication.ts";
import { type Publication, publish } from "../src/remotes/shop/publish.ts";
import { fetchCatalogue } from "../src/remotes/shop/read.ts";
import { type Line, limit } from "./measure.ts";
import { work } from "./places.ts";

const clients = 10_000;
const apps = 200;
const atOnce = 32;

function publication(at: number, version: number): Publication {
  const id = `org.example.App${at}`;
  const metadata = `[Application]\nname=${id}\nruntime=org.example.Platform/${hostArch()}/1\ncommand=app\n`;
  const labels = new Map([
    ["org.flatpak.ref", `app/${id}/${hostArch()}/stable`],
    ["org.flatpak.metadata", `${metadata}\n[Context]\nshared=network;ipc;\nsockets=wayland;x11;pulseaudio;\n`],
    ["org.flatpak.timestamp", String(1_700_000_000 + version)],
    [
      "org.freedesktop.appstream.appdata",
      `<component><name>App ${at}</name><summary>It is one of many</summary></component>`,
    ],
  ]);
  const commit = digestOf(Buffer.from(`${id} ${version}`)).slice("sha256:".length);
  return publicationOf({ labels, commit }, id.toLowerCase(), ["stable"]);
}

/** What has gone through a server that passes everything on. */
interface Traffic {
  requests: number;
  bytes: number;
}

function watch(address: string, traffic: Traffic) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      const answer = await fetch(address + pathname + search, { method: request.method, headers: request.headers });
      const body = await answer.arrayBuffer();
      traffic.requests++;
      traffic.bytes += body.byteLength;
      return new Response(request.method === "HEAD" ? null : body, { status: answer.status, headers: answer.headers });
    },
  });
}

/** Lets every client ask once; counts what that costs the registry. */
async function round(location: RegistryLocation, caches: (CachedCatalogue | undefined)[], traffic: Traffic) {
  traffic.requests = 0;
  traffic.bytes = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < clients; at = next++) caches[at] = await fetchCatalogue(location, caches[at], undefined);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { requests: traffic.requests / clients, kilobytes: traffic.bytes / clients / 1000 };
}

/** Very many clients of one namespace: what they cost its registry, by its catalogue. */
export async function benchClients(): Promise<Line[]> {
  const folder = join(work, "clients");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await using registry = await serveRegistry({ folder, listen: "127.0.0.1:0" });
  const traffic: Traffic = { requests: 0, bytes: 0 };
  const front = watch(registry.address, traffic);
  try {
    const repository = new Registry(`${registry.address}/`).repository("apps/catalogue");
    await publish(
      repository,
      Array.from({ length: apps }, (_, at) => publication(at, 1)),
    );
    const location = parseLocation(`oci+http://127.0.0.1:${front.port}/apps`);
    if (location.kind !== "registry") throw new Error("unreachable");
    const caches: (CachedCatalogue | undefined)[] = Array.from({ length: clients });
    const first = await round(location, caches, traffic);
    const idle = await round(location, caches, traffic);
    await publish(repository, [publication(7, 2)]);
    const changed = await round(location, caches, traffic);
    const text = `${clients} clients, ${apps} apps`;
    return [
      limit(`${text}: first look`, first.requests, "requests each", 3),
      limit(`${text}: nothing new`, idle.requests, "requests each", 2),
      limit(`${text}: nothing new`, idle.kilobytes, "kB each", 1),
      limit(`${text}: one app newer`, changed.requests, "requests each", 3),
      limit(`${text}: one app newer`, changed.kilobytes, "kB each", 100),
    ];
  } finally {
    await front.stop(true);
    rmSync(folder, { recursive: true, force: true });
  }
}
