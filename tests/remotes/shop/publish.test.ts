// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDowelError } from "../../../src/base/errors.ts";
import { Registry, type Repository } from "../../../src/oci/client/registry.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { type RunningRegistry, serveRegistry } from "../../../src/registry/server.ts";
import { parseLocation, type RegistryLocation } from "../../../src/remotes/location.ts";
import { publicationOf } from "../../../src/remotes/shop/publication.ts";
import { type Publication, publish } from "../../../src/remotes/shop/publish.ts";
import { fetchCatalogue } from "../../../src/remotes/shop/read.ts";

const folder = mkdtempSync(join(tmpdir(), "dowel-shop-"));
let server: RunningRegistry;

beforeAll(async () => {
  server = await serveRegistry({ folder, listen: "127.0.0.1:0" });
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

function publication(id: string, version = "1", more: Readonly<Record<string, string>> = {}): Publication {
  const appdata = `<component><name>${id}</name><summary>Does ${version}</summary></component>`;
  const labels = new Map([
    ["org.flatpak.ref", `app/${id}/x86_64/stable`],
    ["org.flatpak.metadata", `[Application]\nname=${id}\n`],
    ["org.freedesktop.appstream.appdata", appdata],
    ...Object.entries(more),
  ]);
  const commit = digestOf(Buffer.from(id + version)).slice("sha256:".length);
  return publicationOf({ labels, commit }, id.toLowerCase(), ["stable"]);
}

const repositoryOf = (namespace: string): Repository =>
  new Registry(`${server.address}/`).repository(`${namespace}/catalogue`);

function locationOf(namespace: string): RegistryLocation {
  const location = parseLocation(`${server.address.replace("http", "oci+http")}/${namespace}`);
  if (location.kind !== "registry") throw new Error("not a registry");
  return location;
}

async function listed(namespace: string): Promise<string[]> {
  const found = await fetchCatalogue(locationOf(namespace), undefined, undefined);
  return (found?.images ?? []).map(({ repository, commit }) => `${repository}@${commit.slice(0, 6)}`).sort();
}

const expected = (namespace: string, publications: readonly Publication[]): string[] =>
  publications.map(({ entry }) => `${namespace}/${entry.repository}@${entry.digest.slice(7, 13)}`).sort();

describe("publish()", () => {
  test("makes a catalogue that says what the labels say, and keeps the entries of others", async () => {
    const icon = `data:image/png;base64,${Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xd, 0xa, 0x1a, 0xa, 1]).toString("base64")}`;
    const first = publication("org.test.A", "1", { "org.freedesktop.appstream.icon-64": icon });
    await publish(repositoryOf("one"), [first]);
    await publish(repositoryOf("one"), [publication("org.test.B")]);
    const found = await fetchCatalogue(locationOf("one"), undefined, undefined);
    expect(found?.images.map(({ about }) => about)).toContainEqual({ name: "org.test.A", summary: "Does 1" });
    const image = found?.images.find(({ repository }) => repository === "one/org.test.a");
    expect([...(image?.labels.keys() ?? [])]).toEqual(["org.flatpak.metadata", "org.flatpak.ref"]);
    expect([...(image?.appstream?.keys() ?? [])]).toEqual(["appdata", "icon-64"]);
    expect(await listed("one")).toEqual(expected("one", [first, publication("org.test.B")]));
  });

  test("puts a newer image in the place of an older one, and takes the older entry away", async () => {
    for (const version of ["1", "2", "3"]) await publish(repositoryOf("two"), [publication("org.test.A", version)]);
    expect(await listed("two")).toEqual(expected("two", [publication("org.test.A", "3")]));
    const tags = (await Array.fromAsync(repositoryOf("two").tags())).flat();
    expect(tags.filter((tag) => tag.startsWith("entry."))).toHaveLength(1);
  });

  test("changes nothing when all is listed already", async () => {
    await publish(repositoryOf("same"), [publication("org.test.A")]);
    const before = await repositoryOf("same").head("latest");
    await publish(repositoryOf("same"), [publication("org.test.A")]);
    expect(await repositoryOf("same").head("latest")).toEqual(before);
  });

  test("loses nothing when many publish at once", async () => {
    const publications = Array.from({ length: 12 }, (_, at) => publication(`org.test.App${at}`));
    await Promise.all(publications.map((one) => publish(repositoryOf("many"), [one])));
    expect(await listed("many")).toEqual(expected("many", publications));
  });

  test("lists the entry of a publisher who was stopped before the list was written", async () => {
    const repository = repositoryOf("stopped");
    await publish(repository, [publication("org.test.A")]);
    const before = await repository.resolve("latest");
    await publish(repository, [publication("org.test.B")]);
    await repository.putManifest(before, "latest");
    expect(await listed("stopped")).toHaveLength(1);
    await publish(repository, [publication("org.test.C")]);
    expect(await listed("stopped")).toHaveLength(3);
  });

  test("passes over tags and entries that are somebody's mistake", async () => {
    const repository = repositoryOf("mistakes");
    await publish(repository, [publication("org.test.A")]);
    const document = await repository.resolve("latest");
    await repository.putManifest(document, `entry.${"0".repeat(32)}.0000000001.${"0".repeat(16)}`);
    await repository.putManifest(document, "something-else");
    await publish(repository, [publication("org.test.B")]);
    expect(await listed("mistakes")).toHaveLength(2);
  });
});

test("fetchCatalogue() asks once where nothing has changed, and says when there is no catalogue", async () => {
  expect(await fetchCatalogue(locationOf("nothing"), undefined, undefined)).toBeUndefined();
  await publish(repositoryOf("cached"), [publication("org.test.A")]);
  const requests: string[] = [];
  await using front = { server: await watched(requests), [Symbol.asyncDispose]: () => front.server.stop(true) };
  const location = { ...locationOf("cached"), baseUrl: `http://127.0.0.1:${front.server.port}/cached/` };
  const first = await fetchCatalogue(location, undefined, undefined);
  expect(requests).toHaveLength(2);
  expect(await fetchCatalogue(location, first, undefined)).toBe(first as NonNullable<typeof first>);
  expect(requests).toHaveLength(3);
  await publish(repositoryOf("cached"), [publication("org.test.B")]);
  expect((await fetchCatalogue(location, first, undefined))?.images).toHaveLength(2);
});

/** A server that passes everything on and notes it. */
async function watched(requests: string[]) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const url = new URL(request.url);
      requests.push(`${request.method} ${url.pathname}`);
      return fetch(new URL(url.pathname + url.search, server.address), {
        method: request.method,
        headers: request.headers,
      });
    },
  });
}

test("fetchCatalogue() refuses a catalogue whose entries leave their namespace", async () => {
  const repository = repositoryOf("hostile");
  const { entry } = publication("org.test.A");
  const hostile = { entry: { ...entry, repository: "../other" }, files: [] };
  await publish(repository, [publication("org.test.B"), hostile]);
  expect(await listed("hostile")).toEqual(expected("hostile", [publication("org.test.B")]));
  await publish(repository, [publication("org.test.C")]);
  expect(await listed("hostile")).toHaveLength(2);
});

test("publish() ends with the registry's error where it may not push", async () => {
  const nobody = new Registry("http://127.0.0.1:1/", { attempts: 1 }).repository("a/catalogue");
  const error = await publish(nobody, [publication("org.test.A")]).catch((reason: unknown) => reason);
  expect(isDowelError(error, "REGISTRY_UNREACHABLE")).toBe(true);
});

test("publish() puts a manifest again that the registry refuses once, and gives up where it is refused for good", async () => {
  let refusals = 1;
  const front = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const url = new URL(request.url);
      if (request.method === "PUT" && url.pathname.includes("/manifests/") && refusals-- > 0) {
        return Response.json({ errors: [{ code: "DIGEST_INVALID", message: "it is half there" }] }, { status: 400 });
      }
      const body = request.method === "GET" || request.method === "HEAD" ? {} : { body: await request.arrayBuffer() };
      const { method, headers } = request;
      return fetch(new URL(url.pathname + url.search, server.address), { method, headers, ...body });
    },
  });
  try {
    const repository = new Registry(`http://127.0.0.1:${front.port}/`).repository("refused/catalogue");
    await publish(repository, [publication("org.test.A")]);
    expect(await listed("refused")).toHaveLength(1);
    refusals = 100;
    await expect(publish(repository, [publication("org.test.B")])).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
  } finally {
    await front.stop(true);
  }
});
