// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setConfig } from "../../src/engine/config.ts";
import { execute } from "../../src/engine/execute.ts";
import { info } from "../../src/engine/info.ts";
import { languagesOf } from "../../src/engine/languages.ts";
import { prepareUpdate, type UpdateOptions } from "../../src/engine/prepareupdate.ts";
import { isSound, repair } from "../../src/engine/repair.ts";
import { verifyInstalled } from "../../src/engine/verify.ts";
import { parseRef } from "../../src/metadata/ref.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { activeDeployment } from "../../src/store/deployments.ts";
import { imageFile } from "../../src/store/image/stored.ts";
import { parseSubpaths } from "../../src/store/image/subset.ts";
import type { Installation } from "../../src/store/installation.ts";
import { objectPath } from "../../src/store/objects/paths.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, arch, install } from "./fixtures.ts";

const app = `app/org.test.Hello/${arch}/stable`;
const locale = `runtime/org.test.Hello.Locale/${arch}/stable`;
const large = (text: string): string => text.repeat(100);
const translations = {
  "de/share/de.mo": large("de"),
  "fr/share/fr.mo": large("fr"),
  "en/share/en.mo": large("en"),
} as const;
const metadata = `[Application]\nname=org.test.Hello\nruntime=org.test.Platform/${arch}/1\n
[Extension org.test.Hello.Locale]\ndirectory=share/runtime/locale\nautodelete=true\nlocale-subset=true\n`;

function publish(layout: string, more: Readonly<Record<string, string>> = {}): string {
  addSample(layout, { ref: app, metadata });
  return addSample(layout, { ref: locale, files: { ...translations, ...more } });
}

async function place(folder: TestFolder, shownAs: "composefs" | "checkout") {
  const store = folder.installation();
  if (shownAs === "checkout") chmodSync(store.path, 0o775);
  const layout = join(folder.path, "layout");
  publish(layout);
  await addRemote(store, "local", { url: `oci:${layout}` });
  return { store, layout };
}

function active(store: Installation) {
  const deployment = activeDeployment(store, parseRef(locale));
  if (deployment === undefined) throw new Error("the translations are not installed");
  return deployment;
}

const shown = (store: Installation): string[] => readdirSync(join(active(store).path, "files")).sort();
const update = async (store: Installation, names: readonly string[], options: UpdateOptions = {}) =>
  execute(await prepareUpdate(store, names, { noDeps: true, ...options }), store);
const verified = async (store: Installation) =>
  (await verifyInstalled(store, { signatures: false })).versions.flatMap(({ problems }) => problems);

describe.each(["composefs", "checkout"] as const)("an installation shown by %s", (shownAs) => {
  test("gets the translations of its languages, and keeps them at an update", async () => {
    using folder = new TestFolder();
    const { store, layout } = await place(folder, shownAs);
    await setConfig(store, "languages", "de;en");
    await install(store, [app], { noDeps: true });
    expect(active(store).shownAs).toBe(shownAs);
    expect(shown(store)).toEqual(["de", "en"]);
    expect(info([store], locale).subpaths).toEqual(["/de", "/en"]);
    const commit = publish(layout, { "de/share/more": "text", "it/share/it.mo": "it" });
    await setConfig(store, "languages", "it");
    await update(store, []);
    expect(active(store).commit).toBe(commit);
    expect(shown(store)).toEqual(["de", "en", "it"]);
    expect((await update(store, [])).updated).toEqual([]);
    expect(await verified(store)).toEqual([]);
    expect(isSound(await repair(store, { dryRun: true }))).toBe(true);
  });

  test("takes the folders that are named, of the same version too, and whole again", async () => {
    using folder = new TestFolder();
    const { store } = await place(folder, shownAs);
    await install(store, [locale], { noDeps: true, subpaths: ["/fr"] });
    expect(shown(store)).toEqual(["fr"]);
    await update(store, [locale], { subpaths: parseSubpaths(["de/share", "/en/"]) });
    expect(shown(store)).toEqual(["de", "en"]);
    expect(readFileSync(join(active(store).path, "files/de/share/de.mo"), "utf8")).toBe(translations["de/share/de.mo"]);
    expect((await update(store, [])).updated).toEqual([]);
    await update(store, [locale], { subpaths: [] });
    expect(shown(store)).toEqual(["de", "en", "fr", "share"]);
    expect([active(store).subpaths, await verified(store)]).toEqual([undefined, []]);
  });

  test("is repaired to what was chosen, and not to more", async () => {
    using folder = new TestFolder();
    const { store } = await place(folder, shownAs);
    await install(store, [locale], { noDeps: true, subpaths: ["/fr"] });
    writeFileSync(imageFile(store, active(store).commit), "damaged");
    expect(isSound(await repair(store, { dryRun: false }))).toBe(true);
    expect([shown(store), active(store).subpaths]).toEqual([["fr"], ["/fr"]]);
    expect(await verified(store)).toEqual([]);
  });
});

test("what no chosen folder needs does not stay in the store", async () => {
  using folder = new TestFolder();
  const { store } = await place(folder, "checkout");
  await install(store, [locale], { noDeps: true, subpaths: ["/fr"] });
  const list = readFileSync(join(store.images, active(store).commit, "objects.list"), "utf8");
  const objects = list.split("\n").flatMap((line) => line.split(" ")[0] || []);
  expect(objects.length).toBeGreaterThan(0);
  const files = readdirSync(store.objects, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.map((entry) => join(entry.parentPath, entry.name)).sort()).toEqual(
    objects.map((digest) => objectPath(store, digest)).sort(),
  );
});

test("parseSubpaths() makes folders of an image of texts, and refuses what leaves it", () => {
  expect(parseSubpaths(["de", "/fr/", "de//x", "/de"])).toEqual(["/de", "/de/x", "/fr"]);
  for (const whole of [["/"], [""], ["/de", ""], []]) expect(parseSubpaths(whole)).toEqual([]);
  for (const wrong of ["../x", "/a/./b", "a\0b", "/".padEnd(9000, "x")]) {
    expect(() => parseSubpaths([wrong])).toThrow(expect.objectContaining({ code: "USAGE" }));
  }
});

test("languagesOf() goes by what is configured, else by the user's own", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const environment = { LANGUAGE: "pt_BR:de", LC_ALL: "", LANG: "fr_FR.UTF-8" };
  expect(languagesOf(store, environment)).toEqual(["de", "fr", "pt"]);
  expect(languagesOf(store, { LANG: "C.UTF-8" })).toEqual([]);
  await setConfig(store, "extra-languages", "en_GB");
  expect(languagesOf(store, { LANG: "de" })).toEqual(["de", "en"]);
  expect(languagesOf(store, { LANG: "C" })).toEqual([]);
  await setConfig(store, "languages", "it");
  expect(languagesOf(store, environment)).toEqual(["en", "it"]);
  await setConfig(store, "languages", "*all*");
  expect(languagesOf(store, environment)).toEqual([]);
});
