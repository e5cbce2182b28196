// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { execute } from "../../src/engine/execute.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { push } from "../../src/engine/push.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { sha256 } from "../support/layout.ts";
import { makeDelta } from "../support/tardiff.ts";
import { addSample, appRef, install, recorder } from "./fixtures.ts";
import { FaultProxy } from "./proxy.ts";

const hello = appRef("Hello");
const repository = "demo/org.test.hello";
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";

/** Bytes that do not compress, the same every time. */
const noise = Buffer.concat(Array.from({ length: 3000 }, (_, at) => createHash("sha512").update(String(at)).digest()));

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** The unpacked layer of an image in a layout. */
function layerOf(layout: string, commit: string): { readonly tar: Buffer; readonly diffId: string } {
  const manifest = JSON.parse(readFileSync(join(layout, "blobs/sha256", commit), "utf8"));
  const tar = gunzipSync(readFileSync(join(layout, "blobs", manifest.layers[0].digest.replace(":", "/"))));
  return { tar, diffId: `sha256:${sha256(tar)}` };
}

/** Puts blobs and manifests into a registry as any client would. */
class Uploader {
  readonly #base: string;

  constructor(address: string) {
    this.#base = `${address}/v2/${repository}`;
  }

  async blob(mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
    const digest = `sha256:${sha256(bytes)}`;
    const started = await fetch(`${this.#base}/blobs/uploads/`, { method: "POST" });
    const place = new URL(started.headers.get("location") ?? "", this.#base);
    place.searchParams.set("digest", digest);
    const { status } = await fetch(place, { method: "PUT", body: bytes });
    expect(status).toBe(201);
    return { mediaType, digest, size: bytes.length };
  }

  async manifest(mediaType: string, value: object, tag?: string): Promise<Descriptor> {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...value }));
    const digest = `sha256:${sha256(bytes)}`;
    const headers = { "content-type": mediaType };
    const { status } = await fetch(`${this.#base}/manifests/${tag ?? digest}`, { method: "PUT", headers, body: bytes });
    expect(status).toBe(201);
    return { mediaType, digest, size: bytes.length };
  }

  /** The manifest of a delta between two layers for the image of a commit; its blobs are in the registry then. */
  async deltaManifest(commit: string, from: string, to: string, bytes: Uint8Array) {
    const target = { "io.github.containers.delta.target": `sha256:${commit}` };
    const blob = await this.blob("application/vnd.tar-diff", bytes);
    const config = await this.blob("application/vnd.oci.image.config.v1+json", Buffer.from("{}"));
    const annotations = { "io.github.containers.delta.from": from, "io.github.containers.delta.to": to };
    return { config, layers: [{ ...blob, annotations }], annotations: target };
  }

  /** Publishes a delta between two layers for the image of a commit. */
  async delta(commit: string, from: string, to: string, bytes: Uint8Array): Promise<void> {
    const body = await this.deltaManifest(commit, from, to, bytes);
    const target = body.annotations;
    const manifest = await this.manifest(manifestType, body);
    await this.manifest(indexType, { manifests: [{ ...manifest, annotations: target }] }, "_deltaindex");
  }
}

/** An installation of the first version of an app, and the second one in its registry. */
async function setUp(folder: TestFolder, labels: Readonly<Record<string, string>> = {}) {
  const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const proxy = await FaultProxy.start(registry.address);
  const layout = join(folder.path, "layout");
  const publish = async (files: Readonly<Record<string, Uint8Array>>): Promise<string> => {
    const commit = addSample(layout, { ref: hello, files, labels });
    await push(`oci:${layout}:${hello}`, `oci+${registry.address}/demo`);
    return commit;
  };
  const first = await publish({ big: noise, same: noise.subarray(5000), small: Buffer.from("tiny") });
  const store = folder.installation();
  await addRemote(store, "demo", { url: `oci+http://${proxy.host}/demo` });
  await install(store, ["demo", "org.test.Hello"], { noDeps: true });
  const changed = Buffer.from(noise);
  changed.fill(7, 90_000, 90_100);
  const second = await publish({ big: changed, same: noise.subarray(6000), small: Buffer.from("tiny!") });
  proxy.requests.length = 0;
  proxy.sent = 0;
  const update = async () => {
    const { events, report } = recorder();
    const { updated } = await execute(await prepareUpdate(store, []), store, { report });
    return { updated, events };
  };
  const read = (path: string) => readFileSync(join(listDeployments(store)[0]?.path ?? "", "files", path));
  const upload = new Uploader(registry.address);
  const [old, now] = [layerOf(layout, first), layerOf(layout, second)];
  const stop = async (): Promise<void> => {
    await proxy[Symbol.asyncDispose]();
    await registry.stop();
  };
  return { store, proxy, update, read, upload, old, now, second, changed, [Symbol.asyncDispose]: stop };
}

type Place = Awaited<ReturnType<typeof setUp>>;

function expectUpdated({ read, changed }: Place): void {
  expect(read("big").equals(changed)).toBe(true);
  expect(read("same").equals(noise.subarray(6000))).toBe(true);
  expect(read("small").toString()).toBe("tiny!");
}

test("an update is made of the layer that is here and a delta", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder);
  const { proxy, upload, old, now, second } = place;
  const delta = makeDelta(old.tar, now.tar);
  expect(delta.length).toBeLessThan(4000);
  await upload.delta(second, old.diffId, now.diffId, delta);
  await place.update();
  expectUpdated(place);
  expect(proxy.sent).toBeLessThan(20_000);
  expect(proxy.requests.filter(({ path }) => path.includes("/blobs/")).map(({ path }) => path)).toContain(
    `/v2/${repository}/blobs/sha256:${sha256(delta)}`,
  );
});

test("a delta is taken from the address that the label gives, unless it is for another image", async () => {
  let answer = "";
  const asked: string[] = [];
  const elsewhere = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      asked.push(new URL(url).pathname);
      return new Response(answer, { headers: { "content-type": manifestType } });
    },
  });
  try {
    for (const isRight of [true, false]) {
      using folder = new TestFolder();
      const label = `http://127.0.0.1:${elsewhere.port}/delta.json`;
      await using place = await setUp(folder, { "io.github.containers.DeltaUrl": label });
      const { proxy, upload, old, now, second } = place;
      const about = isRight ? second : "0".repeat(64);
      const delta = makeDelta(old.tar, now.tar);
      const body = await upload.deltaManifest(about, old.diffId, now.diffId, delta);
      answer = JSON.stringify({ schemaVersion: 2, mediaType: manifestType, ...body });
      asked.length = 0;
      await place.update();
      expectUpdated(place);
      expect(asked).toEqual(["/delta.json"]);
      const paths = proxy.requests.map(({ path }) => path);
      expect(paths.includes(`/v2/${repository}/blobs/sha256:${sha256(delta)}`)).toBe(isRight);
      expect(paths.some((path) => path.endsWith("_deltaindex"))).toBe(false);
    }
  } finally {
    await elsewhere.stop(true);
  }
});

for (const [name, spoil] of [
  [
    "is for another layer",
    (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 8), makeDelta(Buffer.alloc(0), Buffer.from("x")).subarray(8)]),
  ],
  ["is damaged", (bytes: Buffer) => Buffer.from(bytes).fill(0, 40, 60)],
  ["is no delta", () => Buffer.from("<html>")],
] as const) {
  test(`the layer is fetched whole where the delta ${name}`, async () => {
    using folder = new TestFolder();
    await using place = await setUp(folder);
    const { upload, old, now, second } = place;
    await upload.delta(second, old.diffId, now.diffId, spoil(makeDelta(old.tar, now.tar)));
    const { events } = await place.update();
    expectUpdated(place);
    expect(events).toContainEqual({ type: "note", text: expect.stringContaining("fetched whole") });
  });
}

test("deltas for other images, from other layers or of other kinds are passed over", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder);
  const { upload, old, now } = place;
  await upload.delta("0".repeat(64), old.diffId, now.diffId, makeDelta(old.tar, now.tar));
  const { events } = await place.update();
  expectUpdated(place);
  expect(events.filter(({ type }) => type === "note")).toEqual([]);
});
