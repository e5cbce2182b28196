// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { push } from "../../../src/engine/push.ts";
import { search } from "../../../src/engine/search.ts";
import { serveRegistry } from "../../../src/registry/server.ts";
import { addRemote } from "../../../src/remotes/config.ts";
import { type SearchEntry, scoreOf } from "../../../src/remotes/search/rank.ts";
import { hasSearchIndex, readSearchIndex, writeSearchIndex } from "../../../src/remotes/search/store.ts";
import type { RemoteRef } from "../../../src/remotes/types.ts";
import { addSample, appRef, arch, recorder } from "../../engine/fixtures.ts";
import { TestFolder } from "../../store/images.ts";

const entry = (id: string, more: Partial<SearchEntry> = {}): SearchEntry => {
  const name = id.replace(/^.*\./, "");
  return { ref: `app/${id}/x86_64/stable`, name, version: "", summary: "", keywords: "", subsets: "", ...more };
};

describe("scoreOf()", () => {
  test("puts names before keywords, ids and summaries", () => {
    const entries = [
      entry("org.a.Summary", { summary: "For a game of chess" }),
      entry("org.chess.Id"),
      entry("org.b.Keyword", { keywords: "board,chess" }),
      entry("org.c.Longer", { name: "Chess and more" }),
      entry("org.d.Exact", { name: "Chess" }),
    ];
    const scores = entries.map((one) => scoreOf(one, ["chess"]));
    expect([...scores].sort((left, right) => left - right)).toEqual(scores);
    expect(new Set(scores).size).toBe(5);
  });

  test("wants every word, and puts apps before runtimes", () => {
    const editor = entry("org.a.Editor", { summary: "Edit text" });
    expect(scoreOf(editor, ["editor", "text"])).toBeGreaterThan(0);
    expect(scoreOf(editor, ["editor", "music"])).toBe(0);
    const runtime = { ...editor, ref: "runtime/org.a.Editor/x86_64/1" };
    expect(scoreOf(runtime, ["editor"])).toBeLessThan(scoreOf(editor, ["text"]));
  });
});

function offered(id: string, about: RemoteRef["about"]): RemoteRef {
  return {
    remote: "demo",
    ref: { kind: "app", id, arch, branch: "stable" },
    commit: "0".repeat(64),
    place: { kind: "layout", path: "/nowhere" },
    tags: [],
    labels: new Map(),
    metadata: "",
    runtime: undefined,
    downloadSize: 0,
    installedSize: 0,
    about,
  };
}

test("readSearchIndex() gives back what was written, whatever the texts hold, and nothing for other files", () => {
  using folder = new TestFolder();
  writeSearchIndex(folder.path, "demo", [offered("org.test.A", { name: "A\tname\nin lines", keywords: "x,y" })]);
  expect(readSearchIndex(folder.path, "demo")?.entries).toEqual([
    {
      ref: `app/org.test.A/${arch}/stable`,
      name: "A name in lines",
      version: "",
      summary: "",
      keywords: "x,y",
      subsets: "",
    },
  ]);
  expect(readSearchIndex(folder.path, "other")).toBeUndefined();
  writeFileSync(join(folder.path, "oci/other.search"), "something else\n");
  expect(readSearchIndex(folder.path, "other")).toBeUndefined();
});

test("what a power cut leaves of a kept search index counts as none, and is written anew", () => {
  using folder = new TestFolder();
  const path = join(folder.path, "oci/demo.search");
  const many = ["A", "B", "Ç"].map((name) => offered(`org.test.${name}`, { name }));
  writeSearchIndex(folder.path, "demo", many);
  const whole = readFileSync(path);
  expect(hasSearchIndex(folder.path, "demo")).toBe(true);
  expect(readSearchIndex(folder.path, "demo")?.entries.map(({ name }) => name)).toEqual(["A", "B", "Ç"]);
  for (const left of [0, 1, whole.indexOf(0x0a) + 1, whole.length - 1]) {
    writeFileSync(path, whole.subarray(0, left));
    expect(hasSearchIndex(folder.path, "demo")).toBe(false);
    expect(readSearchIndex(folder.path, "demo")).toBeUndefined();
  }
  expect(hasSearchIndex(folder.path, "absent")).toBe(false);
});

test("search() of 5,000 kept apps costs little, and asks nobody", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  await addRemote(store, "demo", { url: "oci+http://127.0.0.1:1/apps" });
  const summary = "One of very many apps that somebody described in a line of a usual length";
  const refs = Array.from({ length: 5000 }, (_, at) => offered(`org.test.App${at}`, { name: `App ${at}`, summary }));
  writeSearchIndex(store.path, "demo", refs);
  await search([store], "warm up");
  const before = process.cpuUsage();
  const rows = await search([store], "app 4711");
  const { user, system } = process.cpuUsage(before);
  expect(rows[0]).toMatchObject({ application: "org.test.App4711", remotes: "demo", branch: "stable" });
  // 100 ms is the aim on an idle machine; this is CPU time, with room for a slower one.
  expect((user + system) / 1000).toBeLessThan(400);
});

test("search() asks again after a day or when the clock went back, and goes on with what it has when nobody answers", async () => {
  using folder = new TestFolder();
  const server = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const address = server.address.replace("http:", "oci+http:");
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  const appdata =
    "<component><name>Draughts</name><summary>A game</summary><keywords><keyword>checkers</keyword></keywords></component>";
  addSample(layout, { ref: appRef("Draughts"), labels: { "org.freedesktop.appstream.appdata": appdata } });
  await push(`oci:${layout}`, address);
  await addRemote(store, "demo", { url: address });
  await addRemote(store, "copy", { url: `${address}#stable`, priority: 2 });
  await addRemote(store, "off", { url: "oci:/nowhere", disabled: true });
  expect(await search([store], "checkers")).toEqual([
    {
      name: "Draughts",
      description: "A game",
      application: "org.test.Draughts",
      version: undefined,
      branch: "stable",
      remotes: "copy,demo",
    },
  ]);

  addSample(layout, { ref: appRef("Newer") });
  await push(`oci:${layout}:${appRef("Newer")}`, address);
  expect(await search([store], "newer")).toEqual([]);
  const path = join(store.path, "oci/demo.search");
  utimesSync(path, new Date(), new Date(Date.now() + 1e9));
  expect(await search([store], "newer")).toHaveLength(1);

  await server.stop();
  utimesSync(path, 1, 1);
  const { events, report } = recorder();
  expect(await search([store], "newer", { report })).toHaveLength(1);
  expect(events).toEqual([{ type: "warning", text: expect.stringContaining("Remote demo: ") }]);
  rmSync(path);
}, 60_000);
