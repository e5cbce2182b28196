// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageFolder, loadImage } from "../../../src/store/image/stored.ts";
import type { FolderNode } from "../../../src/store/image/tree.ts";
import type { Installation } from "../../../src/store/installation.ts";
import { objectPath } from "../../../src/store/objects/paths.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { entry, file, noise, type Written, writeLayer } from "../../formats/zstd-chunked/support.ts";
import { layerRecords, TestFolder } from "../images.ts";
import { type Answers, appLayer, type Offer, offer, putTogether, relabelled } from "./chunked.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function offered(layers: readonly Written[], answers?: Answers): Promise<Offer> {
  const made = await offer(layers, answers);
  closers.push(made.close);
  return made;
}

async function install(installation: Installation, { source, document }: Offer, ...subpaths: string[]) {
  return await importImage(installation, await source(), await document(), { subpaths });
}

const size = 40_000;
const languages = ["de", "en", "fr", "it", "pl"];
const text = (name: string): Uint8Array => noise(size, name.charCodeAt(0) * 256 + name.charCodeAt(1));
const files = Object.fromEntries(languages.map((name) => [`files/${name}/share/${name}.mo`, text(name)]));
/** The table, the ranges' own headers, and what else is no content. */
const besides = 8_000;

/** Paths of the files of a tree. */
function filesIn(folder: FolderNode, path = ""): string[] {
  const found = [...folder.children].flatMap(([name, node]) =>
    node.kind === "folder" ? filesIn(node, `${path}/${name}`) : [`${path}/${name}`],
  );
  return found.sort();
}

/** What an installation of its own shows that fetches the whole layers first. */
async function truth(folder: TestFolder, layers: readonly Written[], ...subpaths: string[]): Promise<string> {
  const fresh = folder.installation(`fresh-${subpaths.join("").replaceAll("/", "-")}`);
  await install(fresh, await offered(layers));
  return (await install(fresh, await offered(layers), ...subpaths)).imageDigest;
}

describe("importImage() of folders of a zstd:chunked layer", () => {
  test("fetches the table and those folders' contents only, and shows what the whole layer shows there", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const layers = [await appLayer(files)];
    const from = await offered(layers);
    const image = await install(installation, from, "/de", "/fr/share");
    expect(image.imageDigest).toBe(await truth(folder, layers, "/de", "/fr/share"));
    expect(filesIn(image.view.root)).toEqual(["/app/de/share/de.mo", "/app/fr/share/fr.mo"]);
    expect(from.ranges()).toHaveLength(2);
    expect(from.sent()).toBeGreaterThan(2 * size);
    expect(from.sent()).toBeLessThan(2 * size + besides);
  });

  test("does not count as the layer: another folder, and then the whole, fetch what is missing", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const layers = [await appLayer(files)];
    const first = await install(installation, await offered(layers), "/de");
    expect(layerRecords(installation)).toEqual([]);
    expect(loadImage(installation, first.commit)?.imageDigest).toBe(first.imageDigest);
    const wider = await offered(layers);
    const second = await install(installation, wider, "/de", "/it");
    expect(second.imageDigest).toBe(await truth(folder, layers, "/de", "/it"));
    expect(wider.sent()).toBeGreaterThan(size);
    expect(wider.sent()).toBeLessThan(size + besides);
    const rest = await offered(layers);
    const whole = await install(installation, rest);
    expect(whole.imageDigest).toBe(await truth(folder, layers));
    expect(rest.sent()).toBeGreaterThan(3 * size);
    expect(rest.sent()).toBeLessThan(3 * size + 2 * besides);
    expect(layerRecords(installation)).toHaveLength(1);
    const own = readdirSync(imageFolder(installation, whole.commit)).filter((name) => name.startsWith("record-"));
    expect(own).toEqual([]);
    const again = await offered(layers);
    await install(installation, again, "/pl");
    expect(again.sent()).toBe(0);
  });

  test("fetches at an update only what changed in those folders", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    await install(installation, await offered([await appLayer(files)]), "/de", "/fr");
    const changed = { ...files, "files/de/share/de.mo": noise(size, 7), "files/it/share/it.mo": noise(size, 8) };
    const layers = [await appLayer(changed)];
    const to = await offered(layers);
    const image = await install(installation, to, "/de", "/fr");
    expect(image.imageDigest).toBe(await truth(folder, layers, "/de", "/fr"));
    expect(to.sent()).toBeLessThan(size + besides);
  });

  test("takes along what hard links of the folders are to", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const inputs = putTogether(files, ["files/en/share/en.mo", "files/de/share/same.mo"]);
    const layers = [
      await writeLayer([
        ...inputs,
        { entry: entry("files/de/more.mo", { type: "hardlink", linkName: "files/de/share/same.mo" }) },
      ]),
    ];
    const from = await offered(layers);
    const image = await install(installation, from, "/de");
    expect(image.imageDigest).toBe(await truth(folder, layers, "/de"));
    expect(filesIn(image.view.root)).toEqual(["/app/de/more.mo", "/app/de/share/de.mo", "/app/de/share/same.mo"]);
    expect(from.sent()).toBeLessThan(2 * size + besides);
  });

  test("puts the folders of several layers over each other, and all layers where a link leads to another one", async () => {
    using folder = new TestFolder();
    const upper = [
      file("files/de/share/.wh.de.mo", ""),
      file("files/de/new", text("nn")),
      file("files/fr/new", text("rr")),
    ];
    const layers = [await appLayer(files), await writeLayer(upper)];
    const plain = folder.installation("plain");
    const image = await install(plain, await offered(layers), "/de");
    expect(filesIn(image.view.root)).toEqual(["/app/de/new"]);
    expect(image.imageDigest).toBe(await truth(folder, layers, "/de"));
    const link = { entry: entry("files/de/link", { type: "hardlink", linkName: "files/fr/share/fr.mo" }) };
    const linked = [await appLayer(files), await writeLayer([...upper, link])];
    const image2 = await install(folder.installation("linked"), await offered(linked), "/de");
    expect(filesIn(image2.view.root)).toEqual(["/app/de/link", "/app/de/new"]);
  });

  test("fetches the whole layer from a registry that sends no parts", async () => {
    using folder = new TestFolder();
    const layers = [await appLayer(files)];
    const installation = folder.installation();
    const image = await install(installation, await offered(layers, { ranges: "ignored" }), "/de");
    expect(filesIn(image.view.root)).toEqual(["/app/de/share/de.mo"]);
    expect(layerRecords(installation)).toHaveLength(1);
  });
});

describe("importImage() of folders of a layer that lies", () => {
  const digestOf = (toc: string, name: string): string =>
    new RegExp(`"name":"${name}".*?"digest":"(.*?)"`).exec(toc)?.[1] ?? "";

  test("refuses contents that are not what the table says", async () => {
    using folder = new TestFolder();
    const lie = relabelled(await appLayer(files), (toc) => {
      const digest = digestOf(toc, "files/de/share/de.mo");
      return toc.replaceAll(digest, `sha256:${"1".repeat(64)}`);
    });
    const installation = folder.installation();
    // The parts are not what they should be, so all of the blob is asked, which has the digest that the manifest names.
    const image = await install(installation, await offered([lie]), "/de");
    expect(image.imageDigest).toBe(await truth(folder, [await appLayer(files)], "/de"));
    expect(layerRecords(installation)).toHaveLength(1);
  });

  test("refuses a table that the manifest does not name", async () => {
    using folder = new TestFolder();
    const lie = relabelled(await appLayer(files), (toc) => `${toc} `, true);
    const failed = install(folder.installation(), await offered([lie]), "/de");
    await expect(failed).rejects.toThrow(expect.objectContaining({ code: "DIGEST_MISMATCH" }));
  });

  test.each([
    [
      "leaves the image",
      (toc: string) => toc.replace("files/it/share/it.mo", "files/../../etc/pwd_"),
      "ZSTD_CHUNKED_INVALID|TAR_UNSAFE",
    ],
    [
      "has places outside of the archive",
      (toc: string) => toc.replace(/"endOffset":[0-9]+/g, '"endOffset":99999999'),
      "ZSTD_CHUNKED_INVALID",
    ],
  ])("refuses a table that %s, whatever folder is wanted", async (_, change, codes) => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const failed = await install(installation, await offered([relabelled(await appLayer(files), change)]), "/de").catch(
      (error: { readonly code: string }) => error.code,
    );
    expect(codes.split("|")).toContain(String(failed));
    expect(existsSync(installation.images) ? readdirSync(installation.images) : []).toEqual([]);
  });

  test("does not believe the index what an object holds", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const first = await install(installation, await offered([await appLayer(files)]), "/de");
    const objects = readdirSync(installation.objects).flatMap((name) =>
      readdirSync(join(installation.objects, name)).map((rest) => name + rest),
    );
    for (const digest of objects) writeFileSync(objectPath(installation, digest), noise(size, 99));
    const more = await offered([await appLayer({ ...files, "files/de/new": "x".repeat(100) })]);
    const image = await install(installation, more, "/de");
    expect(image.commit).not.toBe(first.commit);
    // All of the layer came.
    expect(more.sent()).toBeGreaterThan(languages.length * size);
  });
});
