// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { hash } from "node:crypto";
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../src/base/limits.ts";
import { push } from "../../src/engine/push.ts";
import { repair } from "../../src/engine/repair.ts";
import { inlineThreshold } from "../../src/formats/composefs/model.ts";
import { fsVerityDigest } from "../../src/formats/fsverity/digest.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import { attachTocDeltas, findTocDeltas } from "../../src/oci/tocdelta.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { collectGarbage } from "../../src/store/garbage.ts";
import { LayerStack } from "../../src/store/image/layers.ts";
import { canonicalEntry } from "../../src/store/image/unpack.ts";
import { viewOf } from "../../src/store/image/view.ts";
import { treeAnnotation, treeDigest, viewAnnotation, viewDigest } from "../../src/store/image/voucher.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { noise } from "../formats/zstd-chunked/support.ts";
import { appMetadata, TestFolder } from "../store/images.ts";
import { appInputs, appLayer } from "../store/transfer/chunked.ts";
import { addLayers } from "../support/layout.ts";
import { appRef } from "./fixtures.ts";

const ref = appRef("Hello");
/** Names that do not pack well, so that a few files make a large table. */
const names = Array.from({ length: 340 }, (_, at) => `files/share/${hash("sha512", `${at}`)}`);
const old = Object.fromEntries(names.map((name, at) => [name, noise(1000, at + 1)]));
const next = { ...old, [names[160] ?? ""]: noise(900, 2000) };

/** A registry that counts what it sends, with the referrers API or without. */
class Front implements AsyncDisposable {
  sent = 0;
  asked: string[] = [];
  readonly #server: Bun.Server<undefined>;
  readonly #registry: Awaited<ReturnType<typeof serveRegistry>>;

  private constructor(registry: Awaited<ReturnType<typeof serveRegistry>>, withReferrers: boolean) {
    this.#registry = registry;
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url);
        this.asked.push(`${request.method} ${pathname}`);
        if (!withReferrers && pathname.includes("/referrers/")) return new Response("", { status: 404 });
        const body = request.method === "GET" || request.method === "HEAD" ? null : await request.arrayBuffer();
        const { method, headers } = request;
        const url = `${registry.address}${pathname}${search}`;
        const answer = await fetch(url, { method, headers, body, decompress: false });
        const bytes = await answer.arrayBuffer();
        this.sent += bytes.byteLength;
        const passed = new Headers(answer.headers);
        if (!withReferrers) passed.delete("oci-subject");
        const { status } = answer;
        return new Response(method === "HEAD" ? null : bytes, { status, headers: passed });
      },
    });
  }

  static async start(folder: TestFolder, withReferrers: boolean): Promise<Front> {
    const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
    return new Front(registry, withReferrers);
  }

  get host(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  get repository() {
    return new Registry(`http://${this.host}/`, { credentials: async () => undefined }).repository("org.test.hello");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
    await this.#registry[Symbol.asyncDispose]();
  }
}

type Files = Parameters<typeof appLayer>[0];

async function publish(
  folder: TestFolder,
  front: Front,
  name: string,
  files: Files,
  said: Readonly<Record<string, string>> = {},
) {
  const { blob, layer } = await appLayer(files);
  const { annotations, diffId } = layer;
  const made = { mediaType: "application/vnd.oci.image.layer.v1.tar+zstd", data: blob, diffId, annotations };
  const layout = join(folder.path, name);
  addLayers(layout, { ref, metadata: appMetadata("org.test.Hello"), annotations: said }, [made]);
  await push(`oci:${layout}`, `oci+http://${front.host}`);
  return { layer, document: await front.repository.resolve("stable") };
}

type Published = Awaited<ReturnType<typeof publish>>;

async function fetched(front: Front, installation: ReturnType<TestFolder["installation"]>, { document }: Published) {
  front.sent = 0;
  front.asked = [];
  const image = await importImage(installation, front.repository, document);
  await deployImage(installation, image, { origin: "test", source: front.host });
  const { imageDigest } = image;
  return { imageDigest, bytes: front.sent, deltas: front.asked.filter((line) => line.includes("/referrers/")).length };
}

const tableBytes = ({ layer }: Published): number =>
  Number(layer.annotations["io.github.containers.zstd-chunked.manifest-position"]?.split(":")[1]);

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

type Annotation = typeof treeAnnotation | typeof viewAnnotation;

/** Publishes a layer that the manifest vouches for. */
async function vouched(
  folder: TestFolder,
  front: Front,
  name: string,
  files: Files,
  by: Annotation = viewAnnotation,
): Promise<Published> {
  const stack = new LayerStack();
  stack.beginLayer();
  for (const { entry, body } of appInputs(files)) {
    const bytes = body instanceof Uint8Array ? body : new Uint8Array(0);
    const digest = Buffer.from(fsVerityDigest(bytes)).toString("hex");
    const inline = bytes.length > 0 && bytes.length <= inlineThreshold ? bytes : undefined;
    stack.add(canonicalEntry(entry, { size: bytes.length, digest, inline }));
  }
  const said = by === treeAnnotation ? treeDigest(stack.root) : viewDigest(viewOf(stack.root, "app", name));
  return await publish(folder, front, name, files, { [by]: said });
}

const tocFiles = (installation: ReturnType<TestFolder["installation"]>): string[] =>
  readdirSync(installation.layers).filter((name) => name.endsWith(".toc"));

test.each([treeAnnotation, viewAnnotation] as const)(
  "an update that the manifest vouches for by %s is made of the one before, again and again",
  async (by) => {
    using folder = new TestFolder();
    await using front = await Front.start(folder, true);
    const installation = folder.installation();
    const fresh = folder.installation("fresh");
    await fetched(front, installation, await vouched(folder, front, "v0", old, by));
    const versions: Files[] = [
      next,
      { ...next, "files/added": noise(3000, 5001), [names[7] ?? ""]: "small" },
      Object.fromEntries(Object.entries(next).filter((_, at) => at !== 33)),
      { ...old, "files/added": noise(3000, 5002) },
    ];
    for (const [at, files] of versions.entries()) {
      const published = await vouched(folder, front, `v${at + 1}`, files, by);
      const update = await fetched(front, installation, published);
      expect(update.bytes).toBeLessThan(15_000);
      const { commit } = await importImage(installation, front.repository, published.document);
      expect(readdirSync(join(installation.images, commit)).some((name) => name.startsWith("record-"))).toBe(true);
      expect(update.imageDigest).toBe((await fetched(front, fresh, published)).imageDigest);
      await collectGarbage(installation);
    }
    expect(tocFiles(installation)).toEqual([]);
  },
);

test("an update that the manifest vouches for is made of one several versions behind", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const installation = folder.installation();
  await fetched(front, installation, await vouched(folder, front, "v0", old));
  await vouched(folder, front, "v1", next);
  await vouched(folder, front, "v2", { ...next, [names[7] ?? ""]: noise(2000, 5001) });
  const last = await vouched(folder, front, "v3", { ...next, "files/added": noise(3000, 5002) });
  const update = await fetched(front, installation, last);
  const whole = await fetched(front, folder.installation("whole"), last);
  expect(update.imageDigest).toBe(whole.imageDigest);
});

/** The repository of a registry in which nothing but new deltas hangs on a manifest. */
async function withDeltas(
  { repository }: Front,
  { descriptor }: Published["document"],
  deltas: Parameters<typeof attachTocDeltas>[2],
): Promise<Front["repository"]> {
  const hung = new Set((await repository.referrers(descriptor.digest)).map(({ digest }) => digest));
  await attachTocDeltas(repository, descriptor, deltas);
  const referrers = async (...words: Parameters<typeof repository.referrers>) =>
    (await repository.referrers(...words)).filter(({ digest }) => !hung.has(digest));
  return Object.create(repository, { referrers: { value: referrers } });
}

test.each(["the record of the layer before is gone", "the delta lies", "the delta is no delta"])(
  "an update comes as it would without the version before where %s",
  async (what) => {
    using folder = new TestFolder();
    await using front = await Front.start(folder, true);
    const installation = folder.installation();
    await fetched(front, installation, await vouched(folder, front, "v0", old));
    await fetched(front, installation, await vouched(folder, front, "v1", next));
    const last = await vouched(folder, front, "v2", { ...next, [names[120] ?? ""]: noise(900, 3001) });
    let source = front.repository;
    if (what.startsWith("the record")) {
      for (const commit of readdirSync(installation.images)) {
        for (const name of readdirSync(join(installation.images, commit))) {
          if (name.startsWith("record-")) rmSync(join(installation.images, commit, name));
        }
      }
    } else {
      const deltas = await findTocDeltas(source, last.document.descriptor.digest);
      const delta = deltas.find(({ makes }) => makes === "entries");
      if (delta === undefined) throw new Error("no delta");
      const { blob, ...named } = delta;
      const bytes = Buffer.concat(await Array.fromAsync(source.openBlob(blob)));
      const text = Bun.zstdDecompressSync(bytes).toString();
      const lies = text.replace('"mode":420', '"mode":493');
      expect(lies).not.toBe(text);
      const lie = what.endsWith("lies") ? Bun.zstdCompressSync(lies) : noise(300);
      source = await withDeltas(front, last.document, [{ ...named, bytes: lie }]);
    }
    front.sent = 0;
    const update = await importImage(installation, source, last.document);
    // otherwise the version before that one is still there to make it of
    if (what.startsWith("the delta")) expect(front.sent).toBeGreaterThan(tableBytes(last));
    const whole = await fetched(front, folder.installation("whole"), last);
    expect(update.imageDigest).toBe(whole.imageDigest);
  },
);

const library = "files/lib/libbig.so";
/** A library of which a few bytes everywhere differ between versions, so that no chunk stays the same. */
function version(number: number): Uint8Array {
  const bytes = noise(600_000, 77);
  for (let at = 0; at < bytes.length; at += 5000) bytes[at] = number;
  return bytes;
}

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
