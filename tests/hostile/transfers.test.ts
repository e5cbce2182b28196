// SPDX-License-Identifier: Apache-2.0
// Every request of an install and of an update, spoiled in every way, one after the other.
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { isDowelError } from "../../src/base/errors.ts";
import { execute } from "../../src/engine/execute.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { push } from "../../src/engine/push.ts";
import { isSound, repair } from "../../src/engine/repair.ts";
import { type RunningRegistry, serveRegistry } from "../../src/registry/server.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import type { Installation } from "../../src/store/installation.ts";
import { appRef, install, metadataFor } from "../engine/fixtures.ts";
import { type Fault, FaultProxy, type ProxiedRequest } from "../engine/proxy.ts";
import { file, noise, writeLayer } from "../formats/zstd-chunked/support.ts";
import { TestFolder } from "../store/images.ts";
import { addLayers, type HandMadeLayer, sha256 } from "../support/layout.ts";

const ref = appRef("Hello");
type Framing = "zstd" | "zstd:chunked";

/** Files of some sizes; in the second version one is new and one is changed in its midst. */
function filesOf(version: 1 | 2): Readonly<Record<string, Uint8Array>> {
  const large = noise(400_000, 1);
  if (version === 2) large.set([1, 2, 3], 200_000);
  const rest = Object.fromEntries([2, 3, 4, 5].map((seed) => [`files/lib/${seed}`, noise(20_000, seed)]));
  return { ...rest, "files/large": large, "files/version": Buffer.from(`${version}`.repeat(100 * version)) };
}

async function layerOf(version: 1 | 2, framing: Framing): Promise<HandMadeLayer> {
  const files = { metadata: Buffer.from(metadataFor(ref)), ...filesOf(version) };
  const { blob, layer } = await writeLayer(Object.entries(files).map(([path, body]) => file(path, body)));
  const mediaType = "application/vnd.oci.image.layer.v1.tar+zstd";
  if (framing === "zstd:chunked") return { mediaType, data: blob, ...layer };
  const tar = Buffer.from(Bun.zstdDecompressSync(blob));
  return { mediaType, data: zstdCompressSync(tar), diffId: `sha256:${sha256(tar)}` };
}

const flip = (at: (length: number) => number) => (body: Buffer) => {
  const copy = Buffer.from(body);
  const place = at(copy.length);
  copy[place] = (copy[place] ?? 0) ^ 0x20;
  return copy;
};

const target = "REDIRECTED";

/** What can be done to an answer; the redirects lead to the same thing on another port, and round in a circle. */
const faults: Readonly<Record<string, (request: ProxiedRequest) => Fault>> = {
  "cut before its body": () => ({ cutAfter: 0 }),
  "cut in its body": () => ({ cutAfter: 700 }),
  "corrupted in the middle": () => ({ body: flip((length) => length >> 1) }),
  "corrupted at the end": () => ({ body: flip((length) => length - 1) }),
  "answered by a page": () => ({ body: () => Buffer.from("<!DOCTYPE html><title>Welcome</title>") }),
  delayed: () => ({ delay: 30 }),
  "refused for the moment": () => ({ status: 503 }),
  redirected: ({ path }) => ({ status: 307, location: `http://${target}${path}` }),
  "redirected in a circle": ({ path }) => ({ status: 307, location: path }),
};

/** A registry, and a proxy before it for each fault, so that they can be tried side by side. */
class Scene implements AsyncDisposable {
  readonly folder: TestFolder;
  readonly proxies = new Map<string, FaultProxy>();
  readonly #registry: RunningRegistry;
  readonly #framing: Framing;
  #count = 0;

  private constructor(registry: RunningRegistry, framing: Framing, folder: TestFolder) {
    this.#registry = registry;
    this.#framing = framing;
    this.folder = folder;
  }

  static async start(framing: Framing): Promise<Scene> {
    const folder = new TestFolder();
    const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
    const scene = new Scene(registry, framing, folder);
    for (const name of ["none", ...Object.keys(faults)]) {
      scene.proxies.set(name, await FaultProxy.start(registry.address));
    }
    return scene;
  }

  proxy(name: string): FaultProxy {
    const proxy = this.proxies.get(name);
    if (proxy === undefined) throw new Error(name);
    return proxy;
  }

  async publish(version: 1 | 2): Promise<void> {
    const layout = join(this.folder.path, `layout-${version}`);
    addLayers(layout, { ref, metadata: metadataFor(ref) }, [await layerOf(version, this.#framing)]);
    await push(`oci:${layout}:${ref}`, `oci+${this.#registry.address}/demo`);
  }

  /** A new installation that has the proxy as its remote. */
  async newStore(proxy: FaultProxy): Promise<Installation> {
    this.#count += 1;
    const store = this.folder.installation(`store-${this.#count}`);
    // What others may write to is never mounted, so that copies of it show the same.
    chmodSync(store.path, 0o775);
    await addRemote(store, "demo", { url: `oci+http://${proxy.host}/demo` });
    return store;
  }

  /** A copy of an installation, but with another proxy as its remote. */
  copyOf(store: Installation, from: FaultProxy, to: FaultProxy): Installation {
    this.#count += 1;
    const name = `store-${this.#count}`;
    execFileSync("cp", ["-a", store.path, join(this.folder.path, name)]);
    const remotes = join(this.folder.path, name, "remotes.conf");
    writeFileSync(remotes, readFileSync(remotes, "utf8").replaceAll(from.host, to.host));
    return this.folder.installation(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.proxies.values()) await proxy[Symbol.asyncDispose]();
    await this.#registry.stop();
    this.folder[Symbol.dispose]();
  }
}

function versionOf(store: Installation): string | undefined {
  const [deployment] = listDeployments(store);
  return deployment === undefined ? undefined : readFileSync(`${deployment.path}/files/version`, "utf8").slice(0, 1);
}

interface Trial {
  readonly operation: (store: Installation) => Promise<unknown>;
  readonly begin: (proxy: FaultProxy) => Promise<Installation>;
  readonly before: string | undefined;
  readonly after: string;
}

/** Counts the requests, then spoils each of them in every way. */
async function spoilEach(scene: Scene, { operation, begin, before, after }: Trial): Promise<void> {
  const clean = scene.proxy("none");
  clean.requests.length = 0;
  const untouched = await begin(clean);
  await operation(untouched);
  expect(versionOf(untouched)).toBe(after);
  const requests = [...clean.requests];
  expect(requests.length).toBeGreaterThan(2);
  const isWhole = async (store: Installation) => isSound(await repair(store, { dryRun: true }));
  const spoil = async (name: string, at: number): Promise<void> => {
    const where = `${requests[at]?.method} ${requests[at]?.path}, request ${at + 1} of ${requests.length}, ${name}`;
    const proxy = scene.proxy(name);
    const store = await begin(proxy);
    let number = 0;
    proxy.fault = (request) => {
      if (number++ !== at) return undefined;
      const fault = faults[name]?.(request);
      const location = fault?.location?.replace(target, clean.host);
      return location === undefined ? fault : { ...fault, location };
    };
    const error = await operation(store).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error !== undefined && !isDowelError(error)) throw new Error(where, { cause: error });
    proxy.fault = () => undefined;
    expect(versionOf(store), where).toBe(error === undefined ? after : before);
    expect(await isWhole(store), where).toBe(true);
    if (error !== undefined) await operation(store);
    expect(versionOf(store), where).toBe(after);
    expect(await isWhole(store), where).toBe(true);
  };
  for (const at of requests.keys()) await Promise.all(Object.keys(faults).map((name) => spoil(name, at)));
}

describe("a transfer that is spoiled at any request leaves the old state or the new one, and can be repeated:", () => {
  test("an install of whole layers", async () => {
    await using scene = await Scene.start("zstd");
    await scene.publish(1);
    await spoilEach(scene, {
      operation: (store) => install(store, ["demo", "org.test.Hello"], { noDeps: true }),
      begin: (proxy) => scene.newStore(proxy),
      before: undefined,
      after: "1",
    });
  }, 120_000);

  test("an update by parts of layers", async () => {
    await using scene = await Scene.start("zstd:chunked");
    await scene.publish(1);
    const clean = scene.proxy("none");
    const first = await scene.newStore(clean);
    await install(first, ["demo", "org.test.Hello"], { noDeps: true });
    await scene.publish(2);
    await spoilEach(scene, {
      operation: async (store) => await execute(await prepareUpdate(store, []), store),
      begin: async (proxy) => scene.copyOf(first, clean, proxy),
      before: "1",
      after: "2",
    });
    expect(clean.requests.some(({ offset }) => offset > 0)).toBe(true);
  }, 120_000);
});
