// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withdrawFromCatalogue } from "../../../src/engine/withdraw.ts";
import { Registry } from "../../../src/oci/client/registry.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { serveRegistry } from "../../../src/registry/server.ts";
import { publicationOf } from "../../../src/remotes/shop/publication.ts";
import { type Publication, publish } from "../../../src/remotes/shop/publish.ts";
import { findCatalogue } from "../../../src/remotes/shop/read.ts";

function publication(id: string, branch = "stable"): Publication {
  const labels = new Map([
    ["org.flatpak.ref", `app/${id}/x86_64/${branch}`],
    ["org.flatpak.metadata", `[Application]\nname=${id}\n`],
  ]);
  const commit = digestOf(Buffer.from(id + branch)).slice("sha256:".length);
  return publicationOf({ labels, commit }, id.toLowerCase(), [branch]);
}

async function open() {
  const folder = mkdtempSync(join(tmpdir(), "dowel-withdraw-"));
  const server = await serveRegistry({ folder, listen: "127.0.0.1:0" });
  const repository = new Registry(`${server.address}/`).repository("apps/catalogue");
  return {
    repository,
    url: `${server.address.replace("http", "oci+http")}/apps`,
    listed: async () =>
      ((await findCatalogue(repository, undefined))?.entries ?? [])
        .map(({ entry }) => entry.labels.get("org.flatpak.ref"))
        .sort(),
    async [Symbol.asyncDispose]() {
      await server.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

test("withdrawFromCatalogue() takes out what a name fits and nothing else, until it is published again", async () => {
  await using shop = await open();
  const [stable, beta, other] = [
    publication("org.test.A"),
    publication("org.test.A", "beta"),
    publication("org.test.B"),
  ];
  await publish(shop.repository, [stable, beta, other]);
  await withdrawFromCatalogue("org.test.A//beta", shop.url);
  expect(await shop.listed()).toEqual(["app/org.test.A/x86_64/stable", "app/org.test.B/x86_64/stable"]);
  await expect(withdrawFromCatalogue("org.test.A//beta", shop.url)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  await publish(shop.repository, [other]);
  expect(await shop.listed()).toHaveLength(2);
  await publish(shop.repository, [beta]);
  expect(await shop.listed()).toHaveLength(3);
  for (const name of ["org.test.A", "org.test.B"]) await withdrawFromCatalogue(name, shop.url);
  expect(await shop.listed()).toEqual([]);
});

test("an entry that was withdrawn stays out when somebody else writes an older list, or publishes meanwhile", async () => {
  await using shop = await open();
  await publish(shop.repository, [publication("org.test.A"), publication("org.test.B")]);
  const before = await shop.repository.resolve("latest");
  await withdrawFromCatalogue("org.test.A", shop.url);
  await shop.repository.putManifest(before, "latest");
  await publish(shop.repository, [publication("org.test.C")]);
  expect(await shop.listed()).toEqual(["app/org.test.B/x86_64/stable", "app/org.test.C/x86_64/stable"]);
  const others = ["D", "E", "F"].map((name) => publish(shop.repository, [publication(`org.test.${name}`)]));
  await Promise.all([withdrawFromCatalogue("org.test.B", shop.url), ...others]);
  expect(await shop.listed()).toEqual(["C", "D", "E", "F"].map((name) => `app/org.test.${name}/x86_64/stable`));
});

test("withdrawFromCatalogue() says where there is nothing to take out", async () => {
  await using shop = await open();
  await expect(withdrawFromCatalogue("org.test.A", shop.url)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  await expect(withdrawFromCatalogue("org.test.A", "oci:/some/folder")).rejects.toMatchObject({
    code: "IMAGE_REFERENCE_INVALID",
  });
});
