// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../src/base/limits.ts";
import { repair } from "../../src/engine/repair.ts";
import { attachTocDeltas, findTocDeltas } from "../../src/oci/tocdelta.ts";
import { collectGarbage } from "../../src/store/garbage.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { noise } from "../formats/zstd-chunked/support.ts";
import { TestFolder } from "../store/images.ts";
import { Front, fetched, library, names, next, old, publish, tableBytes, version, withDeltas } from "./deltafront.ts";

test.each([
  ["with the referrers API", true],
  ["with the fallback tag alone", false],
])("push() hangs a delta of the table on what it pushes, and an import fetches that: %s", async (_, withReferrers) => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, withReferrers);
  const first = await publish(folder, front, "one", old);
  const installation = folder.installation();
  await fetched(front, installation, first);
  const second = await publish(folder, front, "two", next);
  const whole = await fetched(front, folder.installation("fresh"), second);
  const update = await fetched(front, installation, second);
  expect(update.imageDigest).toBe(whole.imageDigest);
  expect(update.deltas).toBe(1);
  const [, splitBytes = 0] = (second.layer.annotations["io.github.containers.zstd-chunked.tarsplit-position"] ?? "")
    .split(":")
    .map(Number);
  expect(tableBytes(second)).toBeGreaterThan(33_000);
  expect(update.bytes - splitBytes).toBeLessThan(10_000);
});

test("importImage() asks for no deltas where no version of the ref is installed", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const first = await publish(folder, front, "one", old);
  const second = await publish(folder, front, "two", next);
  const installation = folder.installation();
  await importImage(installation, front.repository, first.document);
  expect((await fetched(front, installation, second)).deltas).toBe(0);
});

test("importImage() fetches the whole table where no delta fits, or where it lies", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const first = await publish(folder, front, "one", old);
  const installation = folder.installation();
  await fetched(front, installation, first);
  const other = await publish(folder, front, "two", { ...old, [names[40] ?? ""]: noise(900, 3000) });
  const digest = other.document.descriptor.digest;
  const [delta] = await findTocDeltas(front.repository, digest);
  if (delta === undefined) throw new Error("no delta");
  const { to } = delta;
  // The delta of another version, named as the one that is wanted, and a bomb.
  const third = await publish(folder, front, "three", { ...next, [names[120] ?? ""]: noise(900, 3001) });
  const lies = [
    await Array.fromAsync(front.repository.openBlob(delta.blob)),
    [Bun.zstdCompressSync(Buffer.alloc(1e7))],
  ];
  const wanted = third.layer.tocDigest;
  for (const bytes of lies.map((parts) => Buffer.concat(parts))) {
    const fresh = folder.installation(`fresh-${bytes.length}`);
    await fetched(front, fresh, first);
    expect(to).not.toBe(wanted);
    const { blob: _, ...named } = delta;
    const lie = { ...named, to: wanted, bytes };
    await attachTocDeltas(front.repository, third.document.descriptor, [lie]);
    const update = await fetched(front, fresh, third);
    expect(update.bytes).toBeGreaterThan(tableBytes(third));
    expect(update.imageDigest).toBe(
      (await fetched(front, folder.installation(`whole-${bytes.length}`), third)).imageDigest,
    );
  }
  expect((await fetched(front, installation, third)).bytes).toBeGreaterThan(tableBytes(third));
});
test.each([
  ["the version before", [1]],
  ["one that is two versions behind", [1, 2]],
])("an import makes changed files of %s", async (_, skipped) => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const first = await publish(folder, front, "v0", { ...old, [library]: version(0) });
  const installation = folder.installation();
  await fetched(front, installation, first);
  let last = first;
  for (const number of skipped) {
    last = await publish(folder, front, `v${number}`, { ...old, [library]: version(number) });
  }
  const whole = await fetched(front, folder.installation("fresh"), last);
  const update = await fetched(front, installation, last);
  expect(update.imageDigest).toBe(whole.imageDigest);
  expect(whole.bytes).toBeGreaterThan(900_000);
  expect(update.bytes).toBeLessThan(200_000);
});

test("importImage() fetches files as they are where the delta of files lies or is huge", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const first = await publish(folder, front, "one", { ...old, [library]: version(0) });
  const second = await publish(folder, front, "two", { ...old, [library]: version(1) });
  const { digest } = second.document.descriptor;
  const [table, files] = await findTocDeltas(front.repository, digest);
  if (table?.makes !== "table" || files?.makes !== "files") throw new Error("no deltas");
  const { blob, ...named } = files;
  const bytes = Buffer.concat(await Array.fromAsync(front.repository.openBlob(blob)));
  const damaged = Buffer.from(bytes);
  damaged[damaged.length - 20] = (damaged[damaged.length - 20] ?? 0) ^ 1;
  const whole = await fetched(front, folder.installation("whole"), second);
  for (const [at, lie] of [damaged, bytes.subarray(0, -9), noise(500)].entries()) {
    const source = await withDeltas(front, second.document, [table, { ...named, bytes: lie }]);
    const installation = folder.installation(`of-${at}`);
    await fetched(front, installation, first);
    front.sent = 0;
    const { imageDigest } = await importImage(installation, source, second.document);
    expect(imageDigest).toBe(whole.imageDigest);
    expect(front.sent).toBeGreaterThan(600_000);
  }
});

test("collectGarbage() takes the table of a layer away with its record, and repair one without", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const installation = folder.installation();
  const { document } = await publish(folder, front, "one", old);
  await importImage(installation, front.repository, document);
  const table = readdirSync(installation.layers).find((name) => name.endsWith(".toc")) ?? "";
  const stray = join(installation.layers, `${"0".repeat(64)}.toc`);
  copyFileSync(join(installation.layers, table), stray);
  const findings = await repair(installation, { dryRun: true });
  expect(findings.filter(({ kind }) => kind === "layer")).toMatchObject([{ what: "leftover", path: stray }]);
  await collectGarbage(installation);
  expect(readdirSync(installation.layers)).toEqual([]);
});

test("findTocDeltas() takes as many deltas, and looks at as many artifacts, as the limits say", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const { repository } = front;
  const subject = (await publish(folder, front, "one", { "files/a": noise(100) })).document.descriptor;
  const delta = { makes: "table", fromLayer: subject.digest, from: "a", to: "b", unpackedSize: 1 } as const;
  await attachTocDeltas(repository, subject, [{ ...delta, bytes: noise(10) }]);
  const [first] = await findTocDeltas(repository, subject.digest);
  if (first === undefined) throw new Error("no delta");
  const named = (count: number, to: string) =>
    Array.from({ length: count }, (_, at) => ({ ...first, to: `${to}${at}` }));
  const found = async () => (await findTocDeltas(repository, subject.digest)).length;
  await attachTocDeltas(repository, subject, named(limits.deltasPerImage - 2, "some"));
  expect(await found()).toBe(limits.deltasPerImage - 1);
  await attachTocDeltas(repository, subject, named(1, "last"));
  expect(await found()).toBe(limits.deltasPerImage);
  await attachTocDeltas(repository, subject, named(1, "more"));
  expect(await found()).toBe(limits.deltasPerImage);
  const others = (await publish(folder, front, "two", { "files/b": noise(100) })).document.descriptor;
  for (let at = 0; at < limits.tocDeltasPerImage; at++) await attachTocDeltas(repository, others, named(1, `one${at}`));
  front.asked = [];
  expect(await findTocDeltas(repository, others.digest)).toHaveLength(limits.tocDeltasPerImage);
  const asked = front.asked.length;
  await attachTocDeltas(repository, others, named(1, "ninth"));
  front.asked = [];
  expect(await findTocDeltas(repository, others.digest)).toHaveLength(limits.tocDeltasPerImage);
  expect(front.asked).toHaveLength(asked);
});
