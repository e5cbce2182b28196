// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parseRef } from "../../src/metadata/ref.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { undeploy } from "../../src/store/deploy/undeploy.ts";
import { collectGarbage } from "../../src/store/garbage.ts";
import type { Installation } from "../../src/store/installation.ts";
import { readJournal } from "../../src/store/journal.ts";
import { DigestTable } from "../../src/store/objects/digests.ts";
import { Sizes } from "../../src/store/sizes.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { type Files, openImage, TestFolder, writeApp } from "./images.ts";

const one = parseRef("app/org.test.One/x86_64/stable");
const two = parseRef("app/org.test.Two/x86_64/stable");

async function install(installation: Installation, layout: string): Promise<void> {
  const { source, document } = await openImage(layout);
  const image = await importImage(installation, source, document);
  await deployImage(installation, image, { origin: "test", source: source.name });
}

function content(letter: string, size: number): string {
  return letter.repeat(size);
}

test("Sizes tells what a ref costs with all its versions, and what removing it frees", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const put = (id: string, files: Files) => install(installation, writeApp(folder, id, files));
  const shared = { "files/shared": content("s", 1000), "files/again": content("s", 1000) };
  const metadata = (id: string) =>
    `[Application]\nname=${id}\nruntime=org.test.Platform/x86_64/stable\ncommand=hello\n`;
  const own = metadata("org.test.One").length;
  await put("org.test.One", { ...shared, "files/a": content("a", 5000), "files/tiny": "x" });
  await put("org.test.Two", { ...shared, "files/b": content("b", 300) });
  expect(new Sizes(installation).of(one)).toEqual({ total: 6000 + own, unique: 5000 + own });
  expect(new Sizes(installation).of(two)).toEqual({ total: 1300 + own, unique: 300 + own });
  await put("org.test.One", { ...shared, "files/a": content("a", 5000), "files/new": content("n", 70) });
  expect(new Sizes(installation).of(one)).toEqual({ total: 6070 + own, unique: 5070 + own });
  await undeploy(installation, one);
  expect((await collectGarbage(installation)).bytes).toBe(5070 + own);
  expect(new Sizes(installation).of(two)).toEqual({ total: 1300 + own, unique: 1300 + own });
});

test("readJournal() passes over lines that a crash cut short, and the next change begins a new one", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  await install(installation, writeApp(folder, "org.test.One", { "files/a": "a" }));
  const journal = join(installation.path, "history.jsonl");
  appendFileSync(journal, '{"time":1,"chan');
  await undeploy(installation, one);
  expect([...readJournal(installation)].map(({ change }) => change)).toEqual(["deploy install", "uninstall"]);
  writeFileSync(journal, "");
  expect([...readJournal(installation)]).toEqual([]);
});

test("DigestTable counts as a map does", () => {
  const digest = fc.integer({ min: 0, max: 40 }).map((n) => `${n.toString(16).padStart(12, "0")}${"0".repeat(52)}`);
  fc.assert(
    fc.property(fc.array(digest), fc.array(digest), (left, right) => {
      const table = new DigestTable();
      const other = new DigestTable();
      for (const text of left) table.add(text);
      table.dropDoubles();
      for (const text of right) other.add(text);
      table.addAll(other);
      for (let n = 0; n <= 40; n++) {
        const text = `${n.toString(16).padStart(12, "0")}${"0".repeat(52)}`;
        const count = (left.includes(text) ? 1 : 0) + right.filter((item) => item === text).length;
        expect<number>(table.count(text)).toBe(Math.min(count, 2));
        expect(table.has(text)).toBe(count > 0);
      }
    }),
  );
});
